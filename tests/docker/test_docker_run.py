"""The bridge's image by itself, before an Ollama of this machine: the commands of docs/install.md, as they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from embedstack import __version__
from embedstack.models.demo.build import DemoFiles
from tests.docker.images import Images, docker
from tests.engines.process import Running, free_port
from tests.engines.run import ollama_create, ollama_server
from tests.paths import ROOT
from tests.release import image as release_image
from tests.upstreams.load import wait_until

pytestmark = [pytest.mark.needs("compose", "rootfs", "ollama"), pytest.mark.thorough]

DOCUMENT = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
NAME = "es-docker-run"


@pytest.fixture(scope="module")
def image(images: Images) -> Iterator[str]:
    """The image, built by the documented command on a base of this machine."""
    name = "embedstack-test/bridge-alone:1"
    (command,) = re.findall(r"^\$ (docker build .*)$", DOCUMENT, re.MULTILINE)
    typed = command.replace(f"embedstack/bridge:{__version__}", f"{name} --build-arg BASE={images.python()}")
    _type(typed)
    yield name
    docker("rmi", "--force", name)


@pytest.fixture(scope="module")
def ollama(demo: DemoFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An Ollama of this machine that listens on more than loopback, with the demo model."""
    with ollama_server(tmp_path_factory.mktemp("ollama"), host="0.0.0.0") as running:  # noqa: S104
        ollama_create(running, "demo", demo.gguf)
        yield running


@pytest.fixture
def free() -> Iterator[None]:
    """Nothing of an earlier run is there, and nothing is left."""
    _remove()
    yield
    _remove()


def _remove() -> None:
    docker("rm", "--force", NAME)
    docker("volume", "rm", "--force", NAME)


def _type(command: str, **environment: str) -> str:
    shell = ["/usr/bin/env", "bash", "-euc", command]
    done = subprocess.run(
        shell, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def _block(beginning: str) -> str:
    """The commands of the block that begins so."""
    (block,) = (one for one in re.findall(r"```console\n(.*?)```", DOCUMENT, re.DOTALL) if one.startswith(beginning))
    return re.sub(r"^\$ ", "", block, flags=re.MULTILINE)


def _here(command: str, image: str, ollama: Running, port: int) -> str:
    """With the names, the ports and the model of this test."""
    own = f"--env EMBED_BRIDGE_MODEL_ID=demo --env EMBED_BRIDGE_LISTEN_PORT={port}"
    own = own if "--network host" in command else own.partition(" --env EMBED_BRIDGE_LISTEN")[0]
    for written, meant in (
        ("--name embed-bridge", f"--name {NAME}"),
        ("--volume embed-bridge:", f"--volume {NAME}:"),
        (f"embedstack/bridge:{__version__}", f"{own} {image}"),
        (":11434", f":{ollama.url.rpartition(':')[2]}"),
        ("--publish 11435:", f"--publish {port}:"),
        ("localhost:11435", f"localhost:{port}"),
        ("qwen3-embedding:4b", "demo"),
    ):
        command = command.replace(written, meant)
    return command


def _healthy() -> None:
    """As its image's own check says, asked for as it is documented."""
    ask = _block("$ docker inspect").splitlines()
    said = ask[0].replace("embed-bridge", NAME)
    wait_until(lambda: _type(said).strip() == ask[1], within=120, what="the container to be healthy")


@pytest.mark.usefixtures("free")
def test_on_the_hosts_network_it_serves_this_machine_alone(image: str, ollama: Running) -> None:
    """Healthy, 2560 numbers, nothing but loopback listens; and what it has computed outlives the container."""
    port = free_port()
    command = _here(_block("$ docker run --detach --restart unless-stopped --network host"), image, ollama, port)
    _type(command)
    _healthy()
    assert _embedded(port)[0] == 2560
    held = Path("/proc/net/tcp").read_text(encoding="ascii")
    assert f"0100007F:{port:04X} " in held
    assert f"00000000:{port:04X} " not in held

    docker("stop", NAME)
    docker("rm", NAME)
    _type(command)
    _healthy()
    assert _embedded(port) == (2560, "hit")


def _embedded(port: int, key: str = "") -> tuple[int, str]:
    """How many numbers, and whether they came from the cache."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url, body = f"http://127.0.0.1:{port}/api/embed", {"model": "demo", "input": ["annual leave"]}
    answer = requests.post(url, json=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return len(answer.json()["embeddings"][0]), answer.headers["X-Embed-Cache"]


@pytest.mark.usefixtures("free")
def test_with_a_network_of_its_own_it_finds_the_host_and_asks_for_a_key(image: str, ollama: Running) -> None:
    """The host by its name; the documented request has the key, and one without it is refused."""
    port = free_port()
    export, run, ask = re.split(r"\n(?=docker|echo)", _here(_block("$ export EMBED_BRIDGE"), image, ollama, port))
    key = _type(f"{export}; echo $EMBED_BRIDGE_SECURITY_API_KEYS").strip()
    assert len(key) == 64
    _type(run, EMBED_BRIDGE_SECURITY_API_KEYS=key)
    _healthy()

    assert len(json.loads(_type(ask, EMBED_BRIDGE_SECURITY_API_KEYS=key))["embeddings"][0]) == 2560
    refused = requests.post(f"http://127.0.0.1:{port}/api/embed", json={"model": "demo", "input": "x"}, timeout=30)
    assert refused.status_code == 401


def test_a_release_has_the_image_as_a_file_and_what_is_in_it(image: str, tmp_path: Path) -> None:
    """`docker load` reads it; the SBOM has Python's distributions and Debian's packages, and no toolkit."""
    name = f"embedstack-test/release:{__version__}"
    docker("tag", image, name)
    try:
        packed, sbom = release_image.write(name, tmp_path)
    finally:
        docker("rmi", name)

    with tarfile.open(packed) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert manifest["RepoTags"] == [name]
    parts = {part["purl"] for part in json.loads(sbom.read_text(encoding="utf-8"))["components"]}
    assert f"pkg:pypi/embedstack@{__version__}" in parts
    assert any(part.startswith("pkg:deb/debian/libc6@") for part in parts)
    assert not any(part.startswith("pkg:pypi/typer@") for part in parts)
