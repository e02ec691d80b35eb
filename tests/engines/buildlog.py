"""The log of a build: every external command, echoed and then its output, with reports on how it goes."""

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICK_S = 0.2
GRACE_S = 10.0


class BuildError(Exception):
    """A build step failed; `log` is where its whole output lies."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True)
class BuildLog:
    """Runs commands with their output in `path`; `tick` is called about five times a second while one runs."""

    path: Path
    tick: Callable[[], None] = lambda: None
    keep_open: tuple[int, ...] = ()

    def run(self, *argv: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        """Run `argv`, with `env` on top of our own environment. BuildError unless it exits 0.

        The command gets the descriptors in `keep_open`, so that a lock is held until the last of our children is
        gone, even when we were killed.
        """
        command = [str(part) for part in argv]
        process = None
        try:
            with self.path.open("ab") as out, signals_held():
                out.write(f"$ {shlex.join(command)}\n".encode())
                out.flush()
                process = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env={**os.environ, **(env or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=self.keep_open,
                )
            while process.poll() is None:
                self.tick()
                time.sleep(TICK_S)
        finally:
            if process is not None:
                _end_group(process)
        if process.returncode:
            raise BuildError(f"`{shlex.join(command)}` exited with {process.returncode}", self.path)

    def last_line(self) -> str:
        """The newest line that is not blank, "" before the first."""
        lines = self.tail(5)
        return lines[-1] if lines else ""

    def tail(self, count: int) -> list[str]:
        """The last `count` lines that are not blank, without the carriage returns of progress bars."""
        return tail(self.path, count)


def tail(path: Path, count: int) -> list[str]:
    """The last `count` lines of a text file that are not blank; of a line redrawn in place, its last state."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 500 * (count + 4)))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1].strip() for line in text.split("\n")]
    return [line for line in lines if line][-count:]


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the end of the block: raised inside of Popen they would lose the child."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda caught, _: held.append(caught)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for caught in held:
        signal.raise_signal(caught)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command that is still running because we were interrupted, with its children: SIGTERM, then SIGKILL."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(process.pid, number)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            continue
        return
