"""The `ollama` command line with OLLAMA_HOST at the bridge."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.bridge_process import Bridge
from tests.engines.process import EngineError, Running
from tests.engines.run import ollama_command
from tests.integration.clients.texts import QUESTION, same

pytestmark = pytest.mark.needs("ollama")


@pytest.fixture
def command(bridge: Bridge) -> Callable[..., str]:
    """`ollama ARGUMENTS` with OLLAMA_HOST at the bridge."""
    server = Running(url=bridge.url, pid=bridge.pid, log=bridge.log, name="embed-bridge", version="")
    return lambda *arguments: ollama_command(server, *arguments)


def test_ollama_ls(command: Callable[..., str]) -> None:
    """`ollama ls` has the model under its plain-spoken name and its short one."""
    rows = [line.split() for line in command("ls").splitlines()]

    assert rows[0] == ["NAME", "ID", "SIZE", "MODIFIED"]
    assert [row[0] for row in rows[1:3]] == ["demo:stand-in", "demo:latest"]


def test_ollama_ps(command: Callable[..., str]) -> None:
    """`ollama ps` has the loaded model with its context."""
    header, row = command("ps").splitlines()

    assert "CONTEXT" in header
    assert row.startswith("demo:stand-in")
    assert " 8192 " in row


def test_ollama_show(command: Callable[..., str]) -> None:
    """`ollama show` prints architecture, dimensions, quantisation and capability."""
    words = command("show", "demo").split()

    for name, value in (("architecture", "qwen3"), ("length", "2560"), ("quantization", "F16")):
        assert (name, value) in itertools.pairwise(words)
    assert "embedding" in words[words.index("Capabilities") :]


def test_ollama_run(command: Callable[..., str], bridge: Bridge) -> None:
    """`ollama run MODEL TEXT` prints the vector of an embedding model."""
    printed = command("run", "demo", QUESTION).strip("[] \n").split(",")

    assert same([float(number) for number in printed], bridge.embed(QUESTION)[0])


def test_ollama_show_of_another_model(command: Callable[..., str]) -> None:
    """The command prints our sentence."""
    with pytest.raises(EngineError, match="model 'other' not found: it is not served here"):
        command("show", "other")
