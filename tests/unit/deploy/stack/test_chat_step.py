"""What `up` says of chat models where no Ollama has one: how much room there is, and the command that fetches one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedstack.deploy.machine import memory
from embedstack.deploy.machine.gpu import Gpu, Gpus
from embedstack.deploy.machine.memory import Memory
from embedstack.deploy.ollama.server import RunningModel
from embedstack.deploy.stack import chat_step
from embedstack.deploy.stack.chat_step import Chat
from tests.unit.deploy.doctor.stacks import CARD, GIB, planned

NEEDS = 2_496_703_776 + 147_456 * 8192 + 2 * 9728 * 8192 * 4  # the 4B at Q4_K_M: file, context, buffer
NO_GPU = Gpus()


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """16 GiB, 10 of them available, and no `ollama` program."""
    monkeypatch.setattr(memory, "look", lambda: Memory(16 * GIB, 10 * GIB))
    monkeypatch.setattr("embedstack.deploy.ollama.locate.PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("OLLAMA_HOST", raising=False)


def _proposed(gpus: Gpus = NO_GPU, *loaded: RunningModel, **given: Any) -> Chat:
    return chat_step._proposed(planned(**given), gpus, loaded)


def test_beside_the_embedding_model_in_memory() -> None:
    """What the 4B needs is taken off; the 4B of the chat models is the largest that a processor is asked to run."""
    found = _proposed()

    assert found.proposed == "qwen3:4b"
    free = 10 * GIB - NEEDS
    assert f"3.1 GB of the {free / 1e9:.1f} GB that are free in memory beside qwen3-embedding:4b" == found.reason


@pytest.mark.parametrize(
    ("free", "loaded", "proposed"),
    [
        (14 * GIB, False, "qwen3:14b"),
        (14 * GIB - NEEDS, True, "qwen3:14b"),  # the same card, once the embedding model is on it
        (3 * GIB, False, "qwen3:4b"),  # no room there: in the machine's memory
    ],
)
def test_beside_it_on_a_gpu(free: int, loaded: bool, proposed: str) -> None:
    """A card that tells what is free has given the embedding model its share once that is loaded."""
    card = Gpu("nvidia", "a card", 24 * GIB, free)
    running = [RunningModel("qwen3-embedding:4b", NEEDS, NEEDS)] if loaded else []

    assert proposed == _proposed(Gpus((card,)), *running).proposed


def test_a_gpu_that_is_not_wanted_is_left_out() -> None:
    """With --cpu the machine's memory counts."""
    assert "in memory" in _proposed(Gpus((CARD,)), given={"engine": {"cpu": True}}).reason


def test_no_room_for_any_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the verb that says what fits."""
    monkeypatch.setattr(memory, "look", lambda: Memory(4 * GIB, 4 * GIB))
    found = _proposed()

    assert (found.proposed, found.command) == ("", "")
    assert "no room even for qwen3:0.6b" in found.line
    assert "`embedstack model advise`" in found.line


def _program(folder: Path) -> None:
    program = folder / "ollama"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)


def test_the_command_is_for_the_ollama_of_the_stack(tmp_path: Path) -> None:
    """Over HTTP without the program, with it by its name, with the address where that is another; in its container."""
    other = "http://127.0.0.1:11499"
    assert _proposed().command == """curl http://127.0.0.1:11434/api/pull -d '{"model":"qwen3:4b"}'"""
    _program(tmp_path)
    assert _proposed().command == "ollama pull qwen3:4b"
    assert f"OLLAMA_HOST={other} ollama pull qwen3:4b" == _proposed(url=other).command
    docker = "docker compose --project-name embedstack exec ollama ollama pull qwen3:4b"
    assert docker == _proposed(mode="docker").command


def test_of_another_machine_nothing_is_known() -> None:
    """Its memory is not ours: a small one is named, with what it needs."""
    found = _proposed(managed=False, url="http://192.0.2.7:11434")

    assert (found.proposed, "not known here" in found.reason) == ("qwen3:4b", True)


def test_without_an_ollama_open_webui_says_where_to_connect_one() -> None:
    """llama.cpp inside the bridge embeds and does not chat; without Open WebUI and passthrough nobody asks."""
    inside = chat_step.look(planned(kind="embedded", url=None), NO_GPU)

    assert inside is not None
    assert "Admin Settings, Connections" in inside.line
    assert chat_step.look(planned({"webui": {"enabled": False}}, kind="embedded", url=None), NO_GPU) is None


def test_more_than_a_few_are_counted() -> None:
    """A line, not a list."""
    assert Chat(("a", "b", "c", "d", "e")).line == "Model:  a, b, c and 2 more to chat with"
