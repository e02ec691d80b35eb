"""The snippet of docs/existing.md on somebody's own Compose file: the bridge comes, is healthy, and goes again."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from embedstack.deploy.plan import stores
from embedstack.models.demo.build import DemoFiles
from tests.docker.images import Images, docker
from tests.engines.process import Running, free_port
from tests.engines.run import ollama_create
from tests.paths import ROOT

pytestmark = [pytest.mark.needs("compose"), pytest.mark.usefixtures("plugin")]

BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "existing.md").read_text(), flags=re.DOTALL)
KEY = "not-a-secret-of-anybody"
THEIRS = """\
services:
  ollama:
    image: ollama/ollama:0.34.4
    ports: ["127.0.0.1:{port}:11434"]
    volumes: ["ollama:/root/.ollama"]
  open-webui:
    image: ghcr.io/open-webui/open-webui:v0.12.4
    ports: ["127.0.0.1:3000:8080"]
    environment: {{OLLAMA_BASE_URL: "http://ollama:11434"}}
    volumes: ["open-webui:/app/backend/data"]
volumes:
  ollama:
  open-webui:
"""


def _compose(folder: Path, *arguments: str) -> str:
    """In the folder of a project of somebody's, as they would type it."""
    done = subprocess.run(
        ["/usr/bin/env", "docker", "compose", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"docker compose {' '.join(arguments)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def _write(folder: Path, snippet: str, port: int) -> None:
    (folder / "compose.yaml").write_text(THEIRS.format(port=port))
    (folder / "compose.override.yaml").write_text(snippet)
    (folder / ".env").write_text(f"EMBEDSTACK_KEY={KEY}\n")


def test_the_snippet_is_laid_over_a_file_of_theirs(tmp_path: Path) -> None:
    """As it stands in the docs: eight lines for the bridge, the environment for Open WebUI, and theirs as it was."""
    (snippet,) = BLOCKS
    _write(tmp_path, snippet, 11434)
    services: dict[str, Any] = yaml.safe_load(_compose(tmp_path, "config"))["services"]

    assert len(snippet.split("  open-webui:")[0].splitlines()) == 8
    assert {"ollama", "open-webui", "embed-bridge"} == set(services)
    assert services["open-webui"]["environment"] == stores.ENVIRONMENT | {"OLLAMA_BASE_URL": "http://ollama:11434"}
    assert [port["host_ip"] for port in services["embed-bridge"]["ports"]] == ["127.0.0.1"]
    before = yaml.safe_load(_compose(tmp_path, "--file", "compose.yaml", "config"))["services"]
    assert services["ollama"] == before["ollama"]


@dataclass(frozen=True)
class Theirs:
    """A project with an Ollama that has the demo model, before the snippet is written."""

    folder: Path
    bridge: str

    def container(self, service: str) -> str:
        return _compose(self.folder, "ps", "--quiet", service).strip()

    @property
    def override(self) -> Path:
        return self.folder / "compose.override.yaml"


@pytest.fixture
def theirs(tmp_path: Path, demo: DemoFiles, images: Images) -> Iterator[Theirs]:
    """Images made here stand for those of the registries, the demo model for the 4B, free ports for the usual ones."""
    bridge, ollama, project = free_port(), free_port(), tmp_path / "theirs"
    project.mkdir()
    (snippet,) = BLOCKS
    tag = images.bridge()
    base = f"BASE={images.python()}"
    docker("build", "--file", "compose/bridge.Dockerfile", "--build-arg", base, "--tag", tag, ".", cwd=ROOT)
    _write(project, snippet.replace("embedstack/bridge:0.1.0", tag).replace("11435:11435", f"{bridge}:11435"), ollama)
    own = project / "compose.yaml"
    own.write_text(own.read_text().replace("ollama/ollama:0.34.4", images.ollama()))
    laid = project / "compose.override.yaml"
    laid.write_text(laid.read_text().replace("environment: {", "environment: {EMBED_BRIDGE_MODEL_ID: demo, ", 1))
    try:
        _compose(project, "--file", "compose.yaml", "up", "--detach", "ollama")
        url = f"http://127.0.0.1:{ollama}"
        ollama_create(Running(url, 0, project / "log", "ollama", "0.34.4"), "demo", demo.gguf)
        yield Theirs(project, f"http://127.0.0.1:{bridge}")
    finally:
        _compose(project, "--file", "compose.yaml", "down", "--volumes", "--remove-orphans")
        docker("volume", "rm", "--force", f"{project.name}_embed-bridge")


@pytest.mark.needs("rootfs", "ollama")
@pytest.mark.thorough
def test_the_bridge_comes_and_goes(theirs: Theirs) -> None:
    """Healthy by its image's own check; it answers by the name that Open WebUI uses, opens its trace to the key alone,
    and is gone once the file is; their Ollama is the same container all along.
    """
    ollama = theirs.container("ollama")
    _compose(theirs.folder, "up", "--detach", "--wait", "embed-bridge")
    state = json.loads(docker("inspect", theirs.container("embed-bridge")))[0]["State"]
    asked = {"model": "demo", "input": ["公司年假政策有哪些?"], "input_type": "query"}
    by_name = requests.post(
        f"{theirs.bridge}/api/embed", json=asked, headers={"Host": "embed-bridge:11435"}, timeout=60
    )
    known = [
        requests.get(f"{theirs.bridge}/v1/trace", headers=headers, timeout=60).status_code
        for headers in ({"Authorization": f"Bearer {KEY}"}, {})
    ]

    assert state["Health"]["Status"] == "healthy"
    assert len(by_name.json()["embeddings"][0]) == 2560
    assert known == [200, 403]

    theirs.override.unlink()
    _compose(theirs.folder, "up", "--detach", "--remove-orphans", "ollama")
    assert theirs.container("ollama") == ollama
    assert _compose(theirs.folder, "ps", "--services").split() == ["ollama"]
