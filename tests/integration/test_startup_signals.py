"""A signal at any moment of the start-up: SIGHUP is obeyed once that is possible, the others end all of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.bridge_process import Bridge
from tests.engines.process import free_port
from tests.upstreams.load import wait_until

WITHIN = 60.0  # seconds


@dataclass(frozen=True)
class Starting:
    """A bridge from its first moment on."""

    process: subprocess.Popen[bytes]
    bridge: Bridge

    def log(self) -> str:
        return self.bridge.log.read_text(errors="replace")

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def has_loaded(self, library: str) -> bool:
        return library in Path(f"/proc/{self.process.pid}/maps").read_text()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log()
        return "serves demo at f16" in self.log()


@contextmanager
def starting(folder: Path) -> Iterator[Starting]:
    log, port = folder / "log.txt", free_port()
    settings = ("cache.disk=0", "cache.memory=0", "engine.threads=1")
    sets = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "embedstack.bridge", "--demo", *sets, "--listen", f"127.0.0.1:{port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield Starting(process, Bridge(f"http://127.0.0.1:{port}", process.pid, log))
    finally:
        process.terminate()
        process.wait(20)


# In the order in which they come: the bridge's first imports, its last, its own start, its engine's, the engine's
# examination. The interpreter's own first moments, before any line of the bridge, are its caller's.
MOMENTS: dict[str, Callable[[Starting], object]] = {
    "importing": lambda one: one.has_loaded("msgspec"),
    "numpy": lambda one: one.has_loaded("numpy"),
    "started": lambda one: "Started server process" in one.log(),
    "engine starting": lambda one: one.children(),
    "engine loading": lambda one: any("embedstack.bridge.llama" in child.cmdline() for child in one.children()),
    "gate": lambda one: "Application startup complete" in one.log(),
    "ready": lambda one: one.is_ready(),
}


def moments(*quick: str) -> list[object]:
    """All of them; those that are not `quick` where all engines are tested."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.thorough) for name in MOMENTS]


@pytest.mark.parametrize("moment", moments("importing", "started", "gate"))
def test_a_hangup_is_obeyed_once_that_is_possible(moment: str, tmp_path: Path) -> None:
    """The bridge gets ready, and has read its configuration again; the engine is the only one it has started."""
    with starting(tmp_path) as one:
        wait_until(lambda: MOMENTS[moment](one), within=WITHIN, what=moment)
        one.process.send_signal(signal.SIGHUP)

        wait_until(one.is_ready, within=WITHIN, what="ready")
        wait_until(lambda: "configuration was read again" in one.log(), within=WITHIN, what="read again")
        assert len(one.bridge.embed("年假")) == 1
        assert len(one.children()) == 1
        assert "Traceback" not in one.log()


@pytest.mark.parametrize("moment", moments("importing", "engine starting", "gate"))
def test_an_end_leaves_nothing_behind(moment: str, tmp_path: Path) -> None:
    """Exit status 0, no engine, no traceback, at whatever moment it comes; also by Ctrl-C, in the first ones."""
    number = signal.SIGINT if moment in ("importing", "numpy") else signal.SIGTERM
    with starting(tmp_path) as one:
        wait_until(lambda: MOMENTS[moment](one), within=WITHIN, what=moment)
        children = one.children()
        one.process.send_signal(number)

        assert one.process.wait(20) == 0, one.log()
        _, alive = psutil.wait_procs(children, timeout=10)
        assert alive == []
        assert "Traceback" not in one.log()
