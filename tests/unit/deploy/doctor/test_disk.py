"""Room on the disks, and folders that can be written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from embedstack.deploy.doctor import disk, needs
from embedstack.deploy.doctor.disk import Need
from embedstack.deploy.doctor.ollama import OllamaFacts
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.ollama import create
from embedstack.deploy.ollama.create import Made
from embedstack.deploy.places import Places
from tests.unit.deploy.doctor.stacks import daemon, planned, reported

GB = 10**9


def _need(folder: str, bytes_: int, free: int | None, on: int = 1) -> Need:
    return Need("the model", Path(folder), f"set {folder}", bytes_, free, on)


@pytest.mark.parametrize(
    ("needed", "free", "expected"),
    [
        ((2 * GB, 5 * GB), 8 * GB, []),
        ((2 * GB, 5 * GB), 7 * GB, [("DISK-FULL", "blocker")]),
        ((0, 0), 100, [("DISK-LOW", "warning")]),
        ((2 * GB, 5 * GB), None, []),
    ],
)
def test_what_comes_onto_one_disk_counts_together(
    needed: tuple[int, int], free: int | None, expected: list[tuple[str, str]]
) -> None:
    """Two folders that fit alone do not fit together; a disk that cannot be seen is not judged."""
    folders = [_need(f"/{number}", bytes_, free) for number, bytes_ in enumerate(needed)]
    assert expected == reported(disk.check(folders))


def test_a_full_disk_is_reported_with_its_figures() -> None:
    """What is free, what is needed where, and which settings move it."""
    (found,) = disk.check([_need("/hub", 2 * GB, GB), _need("/ollama", 5 * GB, GB)])

    assert "1.00 GB are free where /hub is; 7.00 GB are needed there" in found.evidence
    assert "5.00 GB for the model in /ollama" in found.evidence
    assert "set /hub, set /ollama" in found.next_step


def test_two_disks_are_judged_apart() -> None:
    """The one with room says nothing."""
    (found,) = disk.check([_need("/hub", 2 * GB, 9 * GB, on=1), _need("/ollama", 5 * GB, GB, on=2)])
    assert "/ollama" in found.evidence
    assert "/hub" not in found.evidence


@pytest.mark.parametrize("folder", ["/proc/no-such-folder", "/proc/self/environ/folder"])
def test_a_folder_that_even_root_cannot_write(folder: str) -> None:
    """What the system says is reported, with the folder and what it is for."""
    (found,) = disk.check([disk.look("the model", Path(folder), "HF_HOME", 0)])

    assert (found.id, found.severity) == ("FOLDER-UNWRITABLE", "blocker")
    assert f"{folder}, for the model: " in found.evidence
    assert "HF_HOME" in found.next_step


def test_more_than_this_machines_disk_holds(tmp_path: Path) -> None:
    """What is free is asked of the disk on which the folder will be."""
    (found,) = disk.check([disk.look("the model", tmp_path / "hub", "HF_HOME", 2**62)])

    assert (found.id, found.severity) == ("DISK-FULL", "blocker")
    assert f"for the model in {tmp_path / 'hub'}" in found.evidence


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    """A folder that is not there is judged by the nearest one that is, and not made."""
    need = disk.look("the model", tmp_path / "a" / "b", "HF_HOME", 1)

    assert need.trouble == ""
    assert tmp_path.stat().st_dev == need.disk
    assert not list(tmp_path.iterdir())


def _machine(tmp_path: Path, ollama: OllamaFacts | None = None, root: str = "") -> Machine:
    environ = {"HF_HUB_CACHE": str(tmp_path / "hub"), "OLLAMA_MODELS": str(tmp_path / "ollama")}
    return Machine(Places(tmp_path), daemon=daemon(root=root), ollama=ollama, environ=environ)


def _bytes(found: list[Need]) -> dict[str, int]:
    return {need.what: need.bytes for need in found}


def test_a_new_machine_needs_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file once for the Hub's cache, twice for Ollama's create, and Open WebUI's 7 GB."""
    monkeypatch.setenv("EMBEDSTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("UV_TORCH_BACKEND", raising=False)

    found = _bytes(list(needs.wanted(planned(), _machine(tmp_path))))

    size = 2_496_703_776
    expected = {"the stack's data": 0, "the model": size, "Ollama's copy of it": 2 * size, "Open WebUI": 7 * GB}
    assert expected == found


def test_what_is_there_is_not_needed_again(tmp_path: Path) -> None:
    """A model that is in Ollama already is not copied again, and without Open WebUI nothing is installed."""
    stack = planned({"webui": {"enabled": False}})
    machine = _machine(tmp_path, OllamaFacts(version="0.34.4", models=("qwen3-embedding:4b",)))

    assert _bytes(list(needs.wanted(stack, machine)))["Ollama's copy of it"] == 0
    assert "Open WebUI" not in _bytes(list(needs.wanted(stack, machine)))


def test_what_an_ollama_that_is_down_was_given_is_not_needed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be asked: what was made in it is remembered, and only the same file counts."""
    monkeypatch.setenv("EMBEDSTACK_HOME", str(tmp_path))
    stack = planned({"webui": {"enabled": False}})
    served = replace(stack.served, sha256="one")
    stack = replace(stack, served=served)
    for source, copies in (("another", 2), ("one", 0)):
        create.remember(str(stack.engine.url), served.name, Made(source, "digest", {}))
        found = _bytes(list(needs.wanted(stack, _machine(tmp_path))))
        assert found["Ollama's copy of it"] == copies * (stack.file.bytes or 0)


def test_the_demo_model_is_not_fetched(tmp_path: Path) -> None:
    """It is built here: no room is asked for in the Hub's cache."""
    assert "the model" not in _bytes(list(needs.wanted(planned(model="demo"), _machine(tmp_path))))


def test_containers_put_it_on_the_daemons_disk(tmp_path: Path) -> None:
    """Ollama's copies go where Docker keeps its volumes; a root that is not on this machine is not judged."""
    stack = planned({"webui": {"enabled": False}}, mode="docker")

    here = _bytes(list(needs.wanted(stack, _machine(tmp_path, root=str(tmp_path)))))
    away = _bytes(list(needs.wanted(stack, _machine(tmp_path, root="/no-such-folder"))))
    assert here["images and volumes"] == 2 * 2_496_703_776
    assert "images and volumes" not in away
