"""Every test here has a home and a cache of its own, and no variable of the user's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session

from embedstack.deploy.console import Report
from embedstack.deploy.hub.patience import HubPatience
from embedstack.deploy.hub.source import Source
from embedstack.models.model import ModelFile
from tests.hub.content import Content
from tests.hub.server import REPOSITORY, REVISION, Hub, running

NAME = "Toy-Q4_K_M.gguf"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home of the toolkit; proxies and the user's Hub are out of the way."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING")) or "proxy" in name.lower()]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("EMBEDSTACK_HOME", str(tmp_path / "home"))
    close_session()  # the library's client, which keeps the proxies that it was made with
    yield tmp_path / "home"
    close_session()


@pytest.fixture
def content() -> Content:
    """3 MB and a bit."""
    return Content(3_000_017)


@pytest.fixture
def hub(content: Content) -> Iterator[Hub]:
    """A Hub that has one file."""
    with running(Hub({NAME: content})) as one:
        yield one


@pytest.fixture
def source(hub: Hub, tmp_path: Path) -> Source:
    return Source(hub.url, False, tmp_path / "cache")


@pytest.fixture
def report() -> Report:
    return Report("model pull", as_json=False)


@pytest.fixture
def waits() -> list[float]:
    """What was waited, without waiting."""
    return []


@pytest.fixture
def wait(waits: list[float]) -> HubPatience:
    return HubPatience(sleep=waits.append)


def entry(content: Content, name: str = NAME) -> ModelFile:
    """The catalogue's entry for a content."""
    return ModelFile(
        quantisation="Q4_K_M",
        repository=REPOSITORY,
        revision=REVISION,
        file=name,
        bytes=content.size,
        sha256=content.sha256,
    )
