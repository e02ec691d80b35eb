"""Collected only where GPU_SMOKE_URL names a bridge that runs.

GPU_SMOKE_MODEL is its model (the 4B), EMBEDSTACK_KEY its key if it asks for one, and GPU_SMOKE_OLLAMA the
Ollama behind it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from embedstack.deploy.bridge_client import BridgeClient
from embedstack.deploy.console import Report
from embedstack.deploy.smoke import run
from embedstack.deploy.smoke import server as servers
from embedstack.deploy.smoke.result import Smoke
from embedstack.deploy.smoke.run import SmokeTarget
from embedstack.deploy.smoke.server import EmbeddingServer
from embedstack.models import catalog
from embedstack.models.model import Model

URL = os.environ.get("GPU_SMOKE_URL")
NAME = os.environ.get("GPU_SMOKE_MODEL", "qwen3-embedding:4b")
KEY = os.environ.get("EMBEDSTACK_KEY")

collect_ignore_glob = [] if URL else ["test_*.py"]


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddingServer]:
    """The bridge that is checked."""
    assert URL
    with BridgeClient(URL, KEY) as client:
        yield servers.find(client, NAME)


@pytest.fixture(scope="session")
def smoke() -> Smoke:
    """Every check of `embedstack smoke`, once for all tests."""
    assert URL
    return run.run(SmokeTarget(URL, NAME, KEY), Report("smoke", as_json=True), paced=False)


@pytest.fixture(scope="session")
def model() -> Model:
    """What the catalogue knows of the model."""
    return catalog.load().find(NAME.partition("@")[0]).model
