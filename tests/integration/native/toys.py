"""Small parts to supervise, and a stack of its own for each test, ended whatever happens."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

from embedstack.deploy.console import Report
from embedstack.deploy.native import client, process, protocol
from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.places import Places
from embedstack.deploy.state import PartState
from tests.engines.process import free_port

BOUND = 30.0  # seconds that a condition may take
SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(str(os.getpid()).encode())
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"

T = TypeVar("T")


def report() -> Report:
    return Report("test", as_json=True)


def server(name: str = "server", port: int | None = None, **changes: object) -> PartSpec:
    """A part that answers over HTTP."""
    port = port or free_port()
    address = f"http://127.0.0.1:{port}"
    return program(name, SERVER, str(port), ready_url=f"{address}/ready", address=address, **changes)


def program(name: str, source: str, *arguments: str, **changes: object) -> PartSpec:
    """A part that is a few lines of Python."""
    argv = (sys.executable, "-c", source, *arguments)
    return PartSpec(name, argv, tempfile.gettempdir(), stop_timeout=5.0, **changes)  # type: ignore[arg-type]


def eventually(what: Callable[[], T], bound: float = BOUND) -> T:
    """The first true value of `what`; AssertionError where there is none in time."""
    until = time.monotonic() + bound
    while True:
        if value := what():
            return value
        assert time.monotonic() < until, f"not within {bound:.0f} s: {what}"
        time.sleep(0.02)


def states(places: Places) -> Mapping[str, PartState]:
    return {part.name: part for part in client.status(places) or ()}


def pid_of(places: Places, name: str) -> int:
    pid = states(places)[name].pid
    assert pid is not None
    return pid


def runs_again(places: Places, name: str, before: int) -> bool:
    """Whether the part runs as another process than `before`; of one look, for it has no pid between the two."""
    part = states(places)[name]
    return part.state == "running" and part.pid not in (None, before)


def supervisor_pid(places: Places) -> int:
    left = protocol.read_record(places)
    assert left is not None
    return left.pid


def kill(pid: int) -> None:
    """kill -9, until it is dead."""
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))


def alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@contextmanager
def stack(root: Path) -> Iterator[Places]:
    """The places of a stack; at the end nothing of it runs any more."""
    places = Places(root)
    try:
        yield places
    finally:
        _end(places)


def _end(places: Places) -> None:
    left = protocol.read_record(places)
    client.stop(places)
    for part in left.parts if left else ():
        assert part.who is None or process.find(part.who) is None, part.spec.name
