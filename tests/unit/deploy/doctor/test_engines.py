"""Versions of engines, and an Ollama that is not whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedstack.deploy.doctor import engines, ollama
from embedstack.deploy.doctor.ollama import OllamaFacts
from embedstack.deploy.errors import Blocked
from embedstack.deploy.plan.plan import PlannedEngine
from tests.unit.deploy.doctor.stacks import OLLAMA, daemon, reported


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.34.4", []),
        ("0.30.0", []),
        ("0.24.0", [("OLLAMA-AGEING", "warning")]),
        ("0.12.0", [("OLLAMA-AGEING", "warning")]),
        ("0.11.11", [("OLLAMA-OLD", "blocker")]),
        ("0.0.0", [("OLLAMA-SOURCE", "note")]),
    ],
)
def test_versions_of_a_running_ollama(version: str, expected: list[tuple[str, str]]) -> None:
    """0.30 is supported, 0.12 to 0.24 warned, older refused; a source build is tried instead."""
    assert reported(engines.check_ollama(OllamaFacts(url=OLLAMA, version=version))) == expected


def test_a_bridge_is_no_ollama() -> None:
    """One that is named as the engine is refused by its address."""
    (found,) = engines.check_ollama(OllamaFacts(url=OLLAMA, bridge=True))

    assert (found.id, found.severity) == ("OLLAMA-IS-BRIDGE", "blocker")
    assert OLLAMA in found.evidence


def _program(folder: Path, version: str, *, whole: bool) -> Path:
    program = folder / "bin" / "ollama"
    program.parent.mkdir()
    said = f"Warning: could not connect to a running Ollama instance\nWarning: client version is {version}"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    if whole:
        helper = folder / "lib" / "ollama" / "llama-server"
        helper.parent.mkdir(parents=True)
        helper.touch(mode=0o755)
    return program


@pytest.mark.process
@pytest.mark.parametrize(
    ("version", "whole", "expected"),
    [
        ("0.34.4", True, []),
        ("0.34.4", False, [("OLLAMA-INCOMPLETE", "blocker")]),
        ("0.24.0", False, [("OLLAMA-AGEING", "warning")]),
        ("0.0.0", False, [("OLLAMA-SOURCE", "note"), ("OLLAMA-INCOMPLETE", "blocker")]),
        ("0.9.1", False, [("OLLAMA-OLD", "blocker")]),
    ],
)
def test_a_program_that_was_installed(
    version: str, whole: bool, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    """From 0.30 on it wants llama-server in ../lib/ollama; before, it has none."""
    program = _program(tmp_path, version, whole=whole)
    found = ollama.find(PlannedEngine("ollama", True, "a test", OLLAMA, program), runs=False)

    assert found is not None
    assert reported(engines.check_ollama(found)) == expected


@pytest.mark.process
def test_a_missing_llama_server_is_reported_with_its_place(tmp_path: Path) -> None:
    """Which program, which version, and where the other one should lie."""
    program = _program(tmp_path, "0.34.4", whole=False)
    (found,) = engines.check_ollama(ollama.installed(program))

    assert found.evidence == f"{program} is 0.34.4; there is no llama-server in {tmp_path / 'lib' / 'ollama'}."
    assert "go install" in found.next_step


def test_nobody_at_the_address_is_no_ollama() -> None:
    """Nothing answers there: nothing is known, and nothing raised."""
    assert ollama.find(PlannedEngine("ollama", False, "a test", "http://127.0.0.1:1"), runs=False) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"compose": "2.20.0"}, []),
        ({"compose": "v2.19.1"}, [("COMPOSE-OLD", "blocker")]),
        ({"compose": None}, [("COMPOSE-OLD", "blocker")]),
        ({"version": "19.03.15"}, [("DOCKER-OLD", "warning")]),
        ({"why_not": "no Docker daemon answers"}, [("DOCKER-UNREACHABLE", "blocker")]),
    ],
)
def test_docker_and_compose(given: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Compose from 2.20 on, and a daemon that answers."""
    assert reported(engines.check_docker(daemon(**given))) == expected


def test_no_engine_is_reported_in_the_words_of_the_choice() -> None:
    """What it said, and what it advised."""
    found = engines.found(Blocked("No Ollama answers at http://h:1.", "Start it."))
    assert (found.id, found.evidence, found.next_step) == (
        "ENGINE-MISSING",
        "No Ollama answers at http://h:1.",
        "Start it.",
    )
