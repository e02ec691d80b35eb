"""TCP ports of this machine: is one free, and who has it if not."""

import errno
import re
import socket
from collections.abc import Sequence
from itertools import dropwhile
from pathlib import PurePath

import psutil

from embedstack.deploy.errors import PortTaken
from embedstack.host.addresses import LOOPBACK


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def ensure_free(port: int, advice: str) -> None:
    """PortTaken, with who has it and `advice`, unless one can listen on `port`."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"Port {port} is taken{_by(holder(port))}.", advice) from error
        raise PortTaken(f"Port {port} cannot be used: {error.strerror}.", advice) from error


def holder(port: int) -> psutil.Process | None:
    """The process that listens on `port`, where this user may know it."""
    try:
        pids = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
        ]
        return next((psutil.Process(pid) for pid in pids if pid), None)
    except psutil.Error:
        return None


def _by(process: psutil.Process | None) -> str:
    if process is None:
        return " by another process"
    try:
        name = program(process.cmdline()) or process.name()
    except psutil.Error:
        name = "a process"
    return f" by {name} (process {process.pid})"


_SWITCH = re.compile("-[BEIOPSbdiqsuvx]+")  # of Python, without a value: `python -P -m bridge`


def program(argv: Sequence[str]) -> str:
    """What runs, by its command line: `redis-server`, `python -m http.server`. Other arguments may be secrets."""
    if not argv:
        return ""
    name = PurePath(argv[0]).name
    match list(dropwhile(_SWITCH.fullmatch, argv[1:])):
        case ["-m", module, *_]:
            return f"{name} -m {module}"
        case [script, *_] if name.startswith("python") and not script.startswith("-"):
            return f"{name} {PurePath(script).name}"
    return name
