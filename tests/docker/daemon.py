"""A Docker daemon for the tests: the one that answers, else one of their own that leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from embedstack.deploy.docker import cli
from embedstack.deploy.errors import EngineNotUsable
from tests.engines.process import EngineError

READY_S, GRACE_S, POLL_S = 60.0, 30.0, 0.1


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a daemon, started with all that is its own in `folder` if none answers."""
    host = cli.host()
    if _answers():
        yield host
        return
    with _started(folder) as own:
        yield own


@contextmanager
def _started(folder: Path) -> Iterator[str]:
    program = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        raise EngineError("no Docker daemon answers and there is no dockerd: apt-get install docker.io iptables")
    socket, log = folder / "docker.sock", folder / "dockerd.log"
    argv = [
        *(program, "--host", f"unix://{socket}", "--data-root", str(folder / "data")),
        *("--exec-root", str(folder / "exec"), "--pidfile", str(folder / "docker.pid")),
    ]
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    with log.open("wb") as out:
        child = subprocess.Popen(
            argv, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, "PATH": path}
        )
    try:
        _wait(child, socket, log)
        yield f"unix://{socket}"
    finally:
        _end(child)


def _wait(child: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while not (socket.exists() and _version(socket)):
        if child.poll() is not None or time.monotonic() > deadline:
            raise EngineError("dockerd did not come up:\n" + "\n".join(log.read_text().splitlines()[-30:]))
        time.sleep(POLL_S)


def _version(socket: Path) -> bool:
    argv = ["docker", "--host", f"unix://{socket}", "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(argv, capture_output=True, check=False, timeout=30).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _end(child: subprocess.Popen[bytes]) -> None:
    """dockerd ends its containers and containerd with it when it is asked to."""
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _answers() -> bool:
    try:
        with cli.client():
            return True
    except EngineNotUsable:
        return False
