"""Precisions that a model overflows at, and a key/value cache of fewer bits: found where they can be read."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from embedstack.deploy.doctor import precision
from embedstack.deploy.doctor.precision import CacheType
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.hub.source import Source
from embedstack.deploy.models.show import models
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan, PlannedModel
from embedstack.models import catalog
from tests.unit.deploy.doctor.stacks import planned, reported


def at(model: str, name: str) -> Plan:
    """A stack that serves a model at a precision, whether its file can be fetched or not."""
    known = catalog.load().find(model).model
    return dataclasses.replace(planned(), served=PlannedModel(known, known.id, name, 8192))


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        ("qwen3-embedding:8b", "f16", [("PRECISION-UNSOUND", "blocker")]),
        ("qwen3-embedding:8b", "Q8_0", []),
        ("qwen3-embedding:8b", "Q4_K_M", []),
        ("qwen3-embedding:8b", "bf16", []),
        ("qwen3-embedding:4b", "f16", []),
        ("qwen3-embedding:0.6b", "f16", []),
        ("demo", "f16", []),
    ],
)
def test_a_precision_at_which_the_model_overflows(model: str, name: str, expected: list[tuple[str, str]]) -> None:
    """The 8B in f16 and nothing else; the next step says what to take."""
    found = list(precision.check_model(at(model, name)))

    assert reported(found) == expected
    assert [one.next_step for one in found] == ["qwen3-embedding:8b: bf16, Q8_0 or Q4_K_M, not f16."] * len(expected)


@pytest.mark.parametrize("spelling", ["f16", "F16", "fp16", "FP16", "float16"])
def test_every_spelling_of_a_precision_is_known(spelling: str) -> None:
    """As Ollama, llama.cpp, tags and config.json write it; bfloat16 is another."""
    model = catalog.load().models["qwen3-embedding:8b"]

    assert model.unsound_as(spelling)
    assert all(model.unsound_as(other) is None for other in ("bf16", "bfloat16", "BF16", "f32", "Q8_0", ""))


def test_the_list_of_models_says_it(tmp_path: Path) -> None:
    """For the model that it is true of, and no other."""
    listed = models(Source(None, offline=True, cache=tmp_path)).files

    assert {file.model: file.sound for file in listed if file.sound} == {
        "qwen3-embedding:8b": "bf16, Q8_0 or Q4_K_M, not f16"
    }


@pytest.mark.parametrize("value", ["q8_0", "Q4_0", "q4_1", "iq4_nl", "q5_1"])
def test_a_quantised_cache_is_a_warning(value: str) -> None:
    """Whatever its name, that says where it was found."""
    (found,) = precision.check_cache([CacheType("OLLAMA_KV_CACHE_TYPE in a test", value)])

    assert (found.id, found.severity) == ("KV-CACHE-QUANTISED", "warning")
    assert found.evidence == f"OLLAMA_KV_CACHE_TYPE in a test says {value}."


@pytest.mark.parametrize("value", ["", "f16", "F16", "bf16", "f32"])
def test_a_wide_cache_is_none(value: str) -> None:
    """It is what the vectors were trained with, or wider."""
    assert list(precision.check_cache([CacheType("here", value)])) == []


@pytest.fixture
def running() -> Iterator[psutil.Process]:
    """A program with such flags and such an environment, and one that it has started."""
    inner = "import sys; sys.stdin.read()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}, '-ctv=q4_0'], stdin=sys.stdin)"
    command = [sys.executable, "-c", outer, "--cache-type-k", "q5_1"]
    environment = {**os.environ, "OLLAMA_KV_CACHE_TYPE": "q8_0"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as child:
        process = psutil.Process(child.pid)
        while not process.children():
            assert child.poll() is None
        yield process


@pytest.mark.process
def test_a_running_engine_tells_by_its_flags_and_its_environment(running: psutil.Process) -> None:
    """Its own and its runner's, with the process's number."""
    found = {(one.where.split(" of ")[0].split(" in ")[0], one.value) for one in precision.of_process(running)}

    assert {("--cache-type-k", "q5_1"), ("-ctv", "q4_0"), ("OLLAMA_KV_CACHE_TYPE", "q8_0")} <= found
    assert any(f"(process {running.pid})" in one.where for one in precision.of_process(running))


def test_systemd_drop_ins_are_read(tmp_path: Path) -> None:
    """An Ollama of another user tells nobody its environment; comments do not count."""
    folder = tmp_path / "etc/systemd/system/ollama.service.d"
    folder.mkdir(parents=True)
    (folder / "override.conf").write_text('[Service]\nEnvironment="OLLAMA_KV_CACHE_TYPE=q4_0" "A=b"\n')
    (folder / "old.conf").write_text("# Environment=OLLAMA_KV_CACHE_TYPE=q8_0\n")
    (folder / "odd.conf").write_bytes(b"\xff\xfe")

    (found,) = precision.of_units(tmp_path)
    assert found.value == "q4_0"
    assert "override.conf" in found.where
    (finding,) = precision.check_cache([found])
    assert "systemctl edit ollama" in finding.next_step


def test_what_the_stacks_own_ollama_would_inherit_is_named(tmp_path: Path) -> None:
    """By the environment of anyone who brings the stack up; an embedded engine inherits nothing of it."""
    machine = Machine(Places(tmp_path), environ={"OLLAMA_KV_CACHE_TYPE": "q8_0"})
    own = planned(program=Path("/nowhere/ollama"), url=None)

    (found,) = precision.look(own, machine)
    assert found.value == "q8_0"
    (finding,) = precision.check_cache([found])
    assert "unset OLLAMA_KV_CACHE_TYPE" in finding.next_step
    assert precision.look(planned(kind="embedded", url=None), machine) == ()
