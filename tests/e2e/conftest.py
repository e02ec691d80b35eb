"""One stack for all tests here that need none of their own: what `embedstack up` makes of nothing, with Ollama."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.open_webui import OpenWebui
from tests.engines.locate import locate
from tests.stack_command import StackCommand, stack_command


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Some bring up Open WebUI several times."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackCommand]:
    """`embedstack` with a stack that is up: the demo model in a real Ollama, the bridge, Open WebUI.

    It was brought up from a shell with many systems' soft limit of open files, 1,024. A test that changes its settings
    puts them back.
    """
    ollama = locate("ollama")
    assert ollama is not None
    folder, path = tmp_path_factory.mktemp("stack"), str(ollama.program("ollama").parent)
    with stack_command(folder, path=path, EMBEDSTACK_WEBUI_ENABLED="true") as running:
        with _soft_files(1024):
            running.data("up")
        yield running


@contextmanager
def _soft_files(limit: int) -> Iterator[None]:
    """A soft limit of open files for what is started in the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


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
