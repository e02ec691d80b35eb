"""One stack for all tests here that need none of their own: what `embedstack up` makes of nothing, with Ollama."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.open_webui import OpenWebui
from tests.engines.locate import locate
from tests.stack_command import StackCommand, stack_command


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackCommand]:
    """`embedstack` with a stack that is up: the demo model in a real Ollama, the bridge, Open WebUI.

    A test that changes its settings puts them back.
    """
    ollama = locate("ollama")
    assert ollama is not None
    folder, path = tmp_path_factory.mktemp("stack"), str(ollama.program("ollama").parent)
    with stack_command(folder, path=path, EMBEDSTACK_WEBUI_ENABLED="true") as running:
        running.data("up")
        yield running


@pytest.fixture
def webui(command: StackCommand) -> Iterator[OpenWebui]:
    """The stack's Open WebUI, signed in as its administrator."""
    password = command.data("config", "secrets")["secrets"]["webui_admin_password"]
    webui = OpenWebui(command.webui)
    try:
        webui.sign_in(password=password)
        yield webui
    finally:
        webui.close()
