"""Running `docker` and `docker compose`: echoed, and what they say goes to the person or into the error. The SDK, which
only looks, is connected to where the `docker` command is.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import docker
from docker.errors import DockerException

from embedstack.deploy.console import Report
from embedstack.deploy.errors import CommandFailed, EngineNotUsable

TIMEOUT_S = 20
DEFAULT = "unix:///var/run/docker.sock"


@contextmanager
def client() -> Iterator[docker.DockerClient]:
    """A client, closed at the end. EngineNotUsable where no daemon answers, CommandFailed for what it refuses."""
    where = host()
    try:
        _knock(where)
        connected = docker.DockerClient(base_url=where, timeout=TIMEOUT_S)
    except (DockerException, OSError) as error:  # requests' own errors are OSErrors
        raise EngineNotUsable(f"No Docker daemon answers at {where}: {_short(error)}", _advice(error)) from error
    try:
        yield connected
    except (DockerException, OSError) as error:  # one that hangs is requests' ReadTimeout, which the SDK lets through
        raise CommandFailed(
            f"Docker at {where} would not: {_short(error)}", "`docker info` shows how it is."
        ) from error
    finally:
        connected.close()


def host() -> str:
    """The daemon's address: DOCKER_HOST, else that of the docker command's context, which the SDK does not know."""
    named = os.environ.get("DOCKER_HOST")
    if named:
        return named
    template = "{{.Endpoints.docker.Host}}"
    answer = output(["docker", "context", "inspect", "--format", template])
    return answer.strip() if answer and answer.strip() else DEFAULT


def output(argv: list[str]) -> str | None:
    """What a short command prints; None where it fails or is not there."""
    try:
        done = subprocess.run(
            argv, env=environment(), capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def environment(outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, without what would have Compose read other files or fill in other values than the stack's own."""
    ours = os.environ if outer is None else outer
    return {name: value for name, value in ours.items() if not name.startswith(("COMPOSE_", "EMBEDSTACK_"))}


def _knock(where: str) -> None:
    """OSError where nobody listens on a socket of this machine: the SDK would hide why, and leave its end open."""
    scheme, _, path = where.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(TIMEOUT_S)
            end.connect(path)


def _advice(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "This user may not use Docker: add it to the group `docker` and log in again, or take --mode native."
    return "Start Docker, or take --mode native."


def _short(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


LAST_LINES = 20


def run(argv: Sequence[str], report: Report) -> str:
    """Run to the end; its standard output. On a terminal its progress is seen. CommandFailed with its last lines."""
    report.command(argv)
    seen = sys.stderr.isatty()
    with _found():
        done = subprocess.run(
            list(argv),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if seen else subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode:
        last = (done.stderr or "").strip().splitlines()[-LAST_LINES:]
        what = " ".join(argv[:2])
        raise CommandFailed(f"`{what}` ended with {done.returncode}.", "\n".join(last))
    return done.stdout


def lines(argv: Sequence[str], report: Report) -> Iterator[str]:
    """Its output, both streams, line by line as it comes; ended when nobody reads on."""
    report.command(argv)
    with (
        _found(),
        subprocess.Popen(
            list(argv),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as child,
    ):
        assert child.stdout is not None  # noqa: S101 -- asked for above
        try:
            for line in child.stdout:
                yield line.rstrip("\n")
        finally:
            child.terminate()


@contextmanager
def _found() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise EngineNotUsable(
            "There is no `docker` command on this machine.", "Install Docker, or take --mode native."
        ) from error
