"""Docker for the tests: the Compose plugin, and a daemon of their own where none answers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docker.daemon import serving
from tests.docker.images import Images
from tests.engines.locate import locate


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`docker compose` is the one built for the tests, whatever else is installed."""
    compose = locate("compose")
    assert compose is not None, "run `make engines`"
    assert shutil.which("docker") is not None, "apt-get install docker.io"
    folder = tmp_path_factory.mktemp("docker-config")
    (folder / "cli-plugins").mkdir()
    (folder / "cli-plugins" / "docker-compose").symlink_to(compose.program("docker-compose"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(folder))
        # No BuildKit beside it: the Dockerfile has to work with the classic builder.
        patch.setenv("DOCKER_BUILDKIT", "0")
        yield


@pytest.fixture(scope="session")
def daemon(plugin: None) -> Iterator[str]:  # noqa: ARG001 -- for its environment
    """The address of a Docker daemon that this user may use."""
    with ExitStack() as stack:
        # Not pytest's folder: its path is longer than a socket's may be.
        folder = Path(tempfile.mkdtemp(prefix="es-dk-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        host = stack.enter_context(serving(folder))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", host)
            yield host


@pytest.fixture(scope="session")
def images(daemon: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:  # noqa: ARG001 -- the same
    """Images made on this machine, under the names that a stack asks for."""
    made = Images(tmp_path_factory.mktemp("images"))
    yield made
    made.remove()
