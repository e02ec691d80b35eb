"""GPUs as this machine and its Docker daemon tell them, and models that would miss one."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedstack.deploy.doctor import gpu as cpu_fallback
from embedstack.deploy.machine import gpu
from embedstack.deploy.machine.gpu import Gpu, Gpus, parse_nvidia_smi
from embedstack.deploy.ollama.server import RunningModel
from tests.unit.deploy.doctor.stacks import CARD, GIB, daemon, planned, reported

MIB = 2**20
TWO = """\
NVIDIA GeForce RTX 4090, 24564, 23875, 550.54.15
NVIDIA RTX A2000, 12 GB edition, 12282, 11000, 550.54.15
"""
SHARED = "NVIDIA GB10, [N/A], [N/A], 580.95.05\n"  # memory that is the CPU's as well
APPLE = Gpu("apple", "Apple GPU (Metal)", 32 * GIB, 16 * GIB)
NONE = Gpus()


def test_nvidia_smi_lists_each_card() -> None:
    """Name, memory in MiB, driver; a comma in a name stays in it."""
    first, second = parse_nvidia_smi(TWO)

    assert first == Gpu("nvidia", "NVIDIA GeForce RTX 4090", 24564 * MIB, 23875 * MIB, "550.54.15")
    assert second.name == "NVIDIA RTX A2000, 12 GB edition"
    assert Gpus((second, first)).roomiest == first


def test_a_card_of_shared_memory_still_counts() -> None:
    """A GPU that has no memory of its own is a GPU, with the machine's."""
    (found,) = parse_nvidia_smi(SHARED, shared=128 * GIB)
    assert (found.name, found.total, found.free) == ("NVIDIA GB10", 128 * GIB, None)


@pytest.mark.parametrize("text", ["No devices were found", "a, b, c, d", "NVIDIA-SMI has failed\n"])
def test_what_is_no_list_is_said_so(text: str) -> None:
    """ValueError, and nothing worse."""
    with pytest.raises(ValueError, match=r"nvidia-smi|invalid literal"):
        parse_nvidia_smi(text)


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        ("echo 'NVIDIA A10, 23028, 22500, 535.1'", ""),
        (
            "echo 'Driver/library version mismatch'; exit 18",
            "nvidia-smi ended with 18: Driver/library version mismatch",
        ),
        ("echo nonsense", "nvidia-smi cannot be asked: nvidia-smi printed 'nonsense'"),
    ],
)
def test_the_program_is_asked(script: str, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cards, or what kept it from telling."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    found = gpu.look()
    assert found.trouble.startswith(trouble)
    assert [card.name for card in found.found] == ([] if trouble else ["NVIDIA A10"])


def test_amds_kernel_tells_its_cards(tmp_path: Path) -> None:
    """A node without SIMD units is a CPU; device memory is of heap type 1 or 2."""
    for node, simd, heap in (("0", 0, 0), ("1", 384, 1)):
        bank = tmp_path / node / "mem_banks" / "0"
        bank.mkdir(parents=True)
        (tmp_path / node / "properties").write_text(f"cpu_cores_count 16\nsimd_count {simd}\n")
        (bank / "properties").write_text(f"heap_type {heap}\nsize_in_bytes {24 * GIB}\nflags 0\n")

    assert list(gpu.rocm(tmp_path)) == [Gpu("rocm", "AMD GPU (kfd node 1)", 24 * GIB)]


@pytest.mark.parametrize(
    ("model", "found", "can", "cpu", "expected"),
    [
        ("qwen3-embedding:4b", Gpus((CARD,)), None, False, [("GPU-TOOLKIT-MISSING", "blocker")]),
        ("qwen3-embedding:0.6b", Gpus((CARD,)), None, False, [("GPU-TOOLKIT-MISSING", "warning")]),
        ("qwen3-embedding:4b", Gpus((CARD,)), None, True, []),
        ("qwen3-embedding:4b", Gpus((CARD,)), "nvidia", False, []),
        ("qwen3-embedding:4b", Gpus((CARD,)), "cdi", False, []),
        ("qwen3-embedding:4b", Gpus((APPLE,)), None, False, [("GPU-APPLE-DOCKER", "blocker")]),
        ("demo", NONE, None, False, []),
    ],
)
def test_containers_and_the_gpu(
    model: str, found: Gpus, can: str | None, cpu: bool, expected: list[tuple[str, str]]
) -> None:
    """A GPU that the daemon cannot hand on is a blocker for a model that wants one."""
    stack = planned({"engine": {"cpu": cpu}}, model=model, mode="docker")
    assert reported(cpu_fallback.check(stack, found, daemon(gpu=can))) == expected


def test_the_toolkits_absence_names_the_step() -> None:
    """What the daemon has, and the command that puts it right."""
    (found,) = cpu_fallback.check(planned(mode="docker"), Gpus((CARD,)), daemon())

    assert "the daemon's runtimes are io.containerd.runc.v2, runc" in found.evidence
    assert "nvidia-ctk runtime configure" in found.next_step


def test_a_driver_that_does_not_answer() -> None:
    """What it said is reported."""
    (found,) = cpu_fallback.check(planned(), Gpus(trouble="nvidia-smi ended with 9: has failed."), None)
    assert (found.id, found.severity, found.evidence) == (
        "GPU-DRIVER",
        "warning",
        "nvidia-smi ended with 9: has failed.",
    )


@pytest.mark.parametrize(
    ("model", "kind", "found", "cpu", "expected"),
    [
        ("qwen3-embedding:4b", "embedded", Gpus((CARD,)), False, [("GPU-WITHOUT-ENGINE", "blocker")]),
        ("qwen3-embedding:4b", "embedded", Gpus((APPLE,)), False, []),
        ("qwen3-embedding:4b", "ollama", Gpus((CARD,)), False, []),
        ("qwen3-embedding:4b", "embedded", NONE, False, [("CPU-UNASKED", "warning")]),
        ("qwen3-embedding:8b", "ollama", NONE, False, [("CPU-UNASKED", "warning")]),
        ("qwen3-embedding:4b", "ollama", NONE, True, []),
        ("qwen3-embedding:0.6b", "embedded", NONE, False, []),
        ("demo", "embedded", Gpus((CARD,)), False, []),
    ],
)
def test_the_4b_never_runs_on_a_cpu_in_silence(
    model: str, kind: str, found: Gpus, cpu: bool, expected: list[tuple[str, str]]
) -> None:
    """A GPU that no engine uses stops it, no GPU at all is reported; --cpu says that it is meant."""
    stack = planned({"engine": {"cpu": cpu}}, model=model, kind=kind)
    assert reported(cpu_fallback.check_plan(stack, found)) == expected


def test_another_machines_gpu_is_not_judged() -> None:
    """What an Ollama elsewhere has is not known here."""
    stack = planned(managed=False, url="http://gpu-host:11434")
    assert reported(cpu_fallback.check_plan(stack, NONE)) == []


@pytest.mark.parametrize(
    ("on_gpu", "cards", "evidence"),
    [
        (4 * GIB, (CARD,), None),
        (0, (), None),
        (0, (CARD,), "m: all of its 4.0 GiB on the CPU, 0.0 GiB on the GPU"),
        (3 * GIB, (CARD,), "m: 1.0 GiB of its 4.0 GiB on the CPU, 3.0 GiB on the GPU"),
    ],
)
def test_a_fall_back_to_the_cpu_is_seen(on_gpu: int, cards: tuple[Gpu, ...], evidence: str | None) -> None:
    """By what /api/ps says is on the GPU, where there is one."""
    found = list(cpu_fallback.check_loaded(planned(), Gpus(cards), [RunningModel("m", 4 * GIB, on_gpu)]))

    assert reported(found) == ([("CPU-FALLBACK", "warning")] if evidence else [])
    assert not evidence or found[0].evidence.startswith(evidence)
