"""Native stacks to be hurt: who can be killed, whether a stack has come back, and what it must not leave behind."""

import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.processes import open_files, resident_mb
from tests.engines.locate import locate
from tests.stack_command import StackCommand, stack_command

# Lines that no kill may cause: a fault of ours, or a file that a kill has damaged.
_FAULT = re.compile(r"Traceback \(most recent|damaged|set aside|unexpectedly|no bug of yours")
RUNNER = re.compile(r"llama-server|runner")
BOUND = 90.0  # seconds in which a part must be back, its model loaded


@dataclass(frozen=True)
class Grown:
    """What a part of a stack holds."""

    memory: float  # MB
    files: int


@dataclass(frozen=True)
class Hurt:
    """A stack that is up. `engine` is embedded or ollama."""

    engine: str
    command: StackCommand

    @property
    def home(self) -> Path:
        return Path(self.command.environment["EMBEDSTACK_HOME"])

    def victims(self) -> dict[str, int]:
        """The pids of what can be killed now, by what it is."""
        found = {name: pid for name, pid in self.command.pids().items() if name in ("bridge", "ollama")}
        if (supervisor := self._supervisor()) is not None:
            found["supervisor"] = supervisor.pid
        parent = found.get("bridge" if self.engine == "embedded" else "ollama")
        children = _children(parent) if parent else []
        if self.engine == "embedded" and children:
            found["engine"] = children[0].pid
        runners = [one.pid for one in children if RUNNER.search(" ".join(_command(one)))]
        if self.engine == "ollama" and runners:
            found["runner"] = runners[0]
        return found

    def repair(self) -> str:
        """`up` again, as is advised after a supervisor was killed: the parts go on. What is wrong with it, or ""."""
        before = self.command.pids()
        done = self.command.run("up", "--json")
        if done.returncode:
            return f"`embedstack up` failed: {done.stdout[-300:]}{done.stderr[-300:]}"
        return "" if before == self.command.pids() else "`embedstack up` did not leave the parts alone"

    def strays(self) -> list[str]:
        """Processes of this stack that none of its parts owns, after as long as they may take to end."""
        until = time.monotonic() + 15.0
        while found := self._strays():
            if time.monotonic() > until:
                return found
            time.sleep(0.2)
        return []

    def damaged(self) -> list[str]:
        """State files and caches that cannot be read."""
        found = []
        for file in self.home.rglob("*.json"):
            try:
                json.loads(file.read_bytes())
            except FileNotFoundError:
                continue
            except ValueError as error:
                found.append(f"{file.name}: {error}")
        for file in self.home.rglob("*"):
            if file.is_file() and _begins(file, b"SQLite format 3"):
                with contextlib.closing(sqlite3.connect(file, timeout=20)) as store:
                    said = store.execute("PRAGMA quick_check").fetchone()[0]
                found += [] if said == "ok" else [f"{file.name}: {said}"]
        return found

    def faults(self) -> list[str]:
        """Lines in the logs that say that something of ours went wrong."""
        return [
            f"{file.name}: {line[:200]}"
            for file in sorted(self.home.rglob("*.log*"))
            for line in file.read_text(errors="replace").splitlines()
            if _FAULT.search(line)
        ]

    def holds(self) -> dict[str, Grown]:
        """Memory and descriptors of our own parts that run."""
        found = {name: pid for name, pid in self.victims().items() if name in ("bridge", "supervisor")}
        return {name: Grown(resident_mb(pid, alone=True), open_files(pid)) for name, pid in found.items()}

    def _supervisor(self) -> psutil.Process | None:
        named = str(self.home)
        for one in psutil.process_iter(["cmdline"]):
            words = one.info["cmdline"] or []
            if "embedstack.deploy.native" in words and any(named in word for word in words):
                return one
        return None

    def _strays(self) -> list[str]:
        owned = set(self.command.pids().values())
        if (supervisor := self._supervisor()) is not None:
            owned.add(supervisor.pid)
        for pid in tuple(owned):
            owned |= {child.pid for child in _children(pid)}
        here = [one for one in psutil.process_iter() if one.pid not in owned and self._is_ours(one)]
        return [f"{one.pid} {' '.join(_command(one))[:120]}" for one in here]

    def _is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return str(self.home) in process.environ().get(
                "EMBEDSTACK_HOME", ""
            ) and "embedstack.deploy.cli" not in " ".join(_command(process))
        return False


@contextmanager
def stack(folder: Path, engine: str) -> Iterator[Hurt]:
    """A stack with the demo model, up, and down at the end. AssertionError where it does not come up."""
    folder.mkdir()
    with stack_command(folder, path=_programs(engine), EMBEDSTACK_STACK_NAME=f"kill-{engine}") as command:
        command.data("up")
        yield Hurt(engine, command)


def has_ollama() -> bool:
    return locate("ollama") is not None


def _programs(engine: str) -> str | None:
    found = locate("ollama") if engine == "ollama" else None
    return str(found.program("ollama").parent) if found else None


def _children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def _begins(file: Path, start: bytes) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(start)) == start


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []
