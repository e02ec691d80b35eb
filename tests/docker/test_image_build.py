"""The bridge's image is built where PyPI is out of reach and a mirror is not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from embedstack.deploy.docker import argv
from embedstack.deploy.docker.runner import stage
from tests.docker.images import Images
from tests.upstreams.server import Connection, Request, serve

pytestmark = [pytest.mark.needs("rootfs"), pytest.mark.thorough]


@pytest.mark.parametrize("is_set", [True, False])
def test_the_build_asks_the_mirror_of_the_environment(images: Images, tmp_path: Path, is_set: bool) -> None:
    """pip in the build asks the caller's PIP_INDEX_URL, and its own index without one. The address is on no command
    line, since it may contain a password.
    """
    asked: list[str] = []

    async def mirror(request: Request, connection: Connection) -> None:
        asked.append(request.path)
        await connection.answer(404, b"not here")

    label = f"sources={stage(tmp_path)}"
    with serve(mirror) as url:
        kept = {name: value for name, value in os.environ.items() if name != "PIP_INDEX_URL"}
        given = {"PIP_INDEX_URL": f"{url}/simple/"} if is_set else {}
        # In the network of this machine, where the mirror listens on loopback.
        options = ("--network", "host", "--no-cache", "--build-arg", "HTTPS_PROXY=http://127.0.0.1:9")
        command = argv.build(tmp_path, "embedstack-test/unbuilt:1", images.base(), label, options)
        done = subprocess.run(command, env={**kept, **given}, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode != 0
    assert url not in " ".join(command)
    assert ("/simple/hatchling/" in asked) is is_set, done.stdout[-3000:] + done.stderr[-3000:]
