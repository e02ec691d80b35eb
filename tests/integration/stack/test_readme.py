"""What README.md and its Chinese edition have people type does what they show, with the demo model for the 4B."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from embedstack.deploy.plan import stores
from embedstack.deploy.settings import WebuiSettings
from embedstack.deploy.webui.install import environment
from tests.documented import Block, blocks, run
from tests.e2e.open_webui import SECRET, open_webui
from tests.engines.run import ollama_server
from tests.stack_command import StackCommand, stack_command

README, CHINESE = "README.md", "README.zh-CN.md"
MODEL = "qwen3-embedding:4b"

PATHS = {
    "ask": "cat ask.py",
    "report": "embedstack smoke --throughput --json > report.json",
    "up": "embedstack up --no-webui",
    "webui": "open-webui serve &",
}
"""The blocks of README.md that are typed below, each by a command that no other has."""

NOT_HERE = {
    "uvx embedstack demo": "wants PyPI; tests/integration/test_wheel.py types it with a wheel",
    "pipx install 'embedstack[all]'": "wants PyPI; tests/integration/test_wheel.py types it with a wheel",
    "make demo": "serves until Ctrl-C; tests/integration/test_demo.py types Ctrl-C",
    "make test": "is what runs this",
}
"""Commands that no test here can type, and why."""


def _block(path: str) -> Block:
    (found,) = (one for one in blocks(README) if PATHS[path] in [command.typed for command in one.commands])
    return found


@pytest.mark.parametrize("readme", [README, CHINESE])
def test_each_block_is_typed_or_has_a_reason(readme: str) -> None:
    """It is one that is typed below, comments aside, or each of its commands is listed with what it lacks here."""
    typed = [_without_comments(_block(path)) for path in PATHS]
    others = [one for one in blocks(readme) if _without_comments(one) not in typed]

    assert {command.typed for block in others for command in block.commands} - set(NOT_HERE) == set()
    assert [command.shown for block in others for command in block.commands if command.shown] == []
    assert len(blocks(readme)) - len(others) == len(typed)


def test_each_reason_belongs_to_a_command() -> None:
    """None is left over from a command that has gone."""
    commands = {command.typed for readme in (README, CHINESE) for block in blocks(readme) for command in block.commands}

    assert set(NOT_HERE) <= commands


def _without_comments(block: Block) -> list[tuple[str, tuple[str, ...]]]:
    return [(command.typed, command.shown) for command in block.commands]


@pytest.fixture(scope="module")
def ollama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Ollama that has the demo model."""
    folder = tmp_path_factory.mktemp("ollama")
    with ollama_server(folder / "models") as running, stack_command(folder, OLLAMA_HOST=running.url) as command:
        command.data("model", "create", "demo")
        yield running.url


_CHOSEN = ("EMBEDSTACK_STACK_MODE", "EMBEDSTACK_WEBUI_ENABLED")  # what tests choose, and people by their flags


@contextmanager
def _machine(folder: Path, ollama: str, *programs: Path) -> Iterator[tuple[StackCommand, dict[str, str]]]:
    """A person's, with that Ollama and this version of Embedstack; and what the documents' names are called there."""
    path = os.pathsep.join(str(one.parent) for one in (Path(sys.executable), *programs))
    with stack_command(folder, path=path, OLLAMA_HOST=ollama) as command:
        names = {MODEL: "demo", "11434": ollama.rpartition(":")[2], "11435": str(command.ports["BRIDGE"])}
        command = replace(command, environment={n: v for n, v in command.environment.items() if n not in _CHOSEN})
        yield command, names


def _with_bridge(command: StackCommand) -> dict[str, str]:
    """Its environment for a bridge that is started alone."""
    own = {"MODEL_ID": "demo", "LISTEN_PORT": command.ports["BRIDGE"], "CACHE_FOLDER": command.folder / "cache"}
    return {**command.environment, **{f"EMBED_BRIDGE_{name}": str(value) for name, value in own.items()}}


@pytest.mark.needs("ollama")
def test_own_code(ollama: str, tmp_path: Path) -> None:
    """A program that asks the bridge in the Ollama's place prints the scores that are shown."""
    with _machine(tmp_path, ollama) as (command, names):
        block = _block("ask").replaced(names)
        run(block, tmp_path, _with_bridge(command), ready={"embed-bridge": f"{command.bridge}/readyz"})


@pytest.mark.needs("ollama")
def test_a_server(ollama: str, tmp_path: Path) -> None:
    """The stack comes up as shown and passes its smoke test; the report that the README asks for is written."""
    with _machine(tmp_path, ollama) as (command, names):
        names[" --throughput"] = ""  # a minute on a CPU; tests/gpu/test_throughput.py has it
        for path in ("up", "report"):
            run(_block(path).replaced(names), tmp_path, command.environment)

        assert "ExecStart=" in (tmp_path / "embedstack.service").read_text()
        assert json.loads((tmp_path / "report.json").read_text())["ok"]


@pytest.mark.needs("ollama")
@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_open_webui(ollama: str, tmp_path: Path) -> None:
    """One that embeds by Ollama alone is set to the bridge, and the role of each text is proved to arrive."""
    data, program = tmp_path / "data", environment(WebuiSettings()).program
    before = {"RAG_EMBEDDING_MODEL": "nomic-embed-text", **dict.fromkeys(stores.ENVIRONMENT, "")}
    with _machine(tmp_path, ollama, program) as (command, names):
        theirs = f"http://localhost:{names['11434']}"
        with open_webui(data, theirs, environ=before) as webui:
            token = webui.token
        port = command.ports["WEBUI"]
        names |= {"8080": str(port), "EMBEDSTACK_WEBUI_TOKEN=…": f"EMBEDSTACK_WEBUI_TOKEN={token}"}
        names["open-webui serve"] = f"open-webui serve --host 127.0.0.1 --port {port}"
        ready = {"embed-bridge": f"{command.bridge}/readyz", "open-webui": f"http://127.0.0.1:{port}/ready"}
        own = {"DATA_DIR": str(data), "WEBUI_SECRET_KEY": SECRET, "OFFLINE_MODE": "True", "ENABLE_OPENAI_API": "False"}
        run(_block("webui").replaced(names), tmp_path, {**_with_bridge(command), **own}, ready=ready)
