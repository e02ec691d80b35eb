"""How a build shows itself: a live line on a terminal, else a plain line now and then."""

import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from tests.engines.buildlog import BuildLog

PLAIN_EVERY_S = 15.0


class ConsoleDisplay:
    """Tells of a build on `console`, which should be standard error: standard output is for the result."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status = console.status("") if console.is_terminal else None
        self._label = ""
        self._began = 0.0
        self._printed = 0.0

    def waiting(self, lock: Path) -> None:
        """Say why nothing happens."""
        self._print(f"another build holds {lock}: waiting for it to end")

    def building(self, label: str, log: BuildLog) -> None:
        """Show the elapsed time and the newest line of the log."""
        now = time.monotonic()
        if label != self._label:
            self._label, self._began, self._printed = label, now, now
            self._print(f"{label}: building, log in {log.path}")
        text = f"{label}: {now - self._began:.0f} s  {log.last_line()}"
        if self._status is not None:
            self._status.start()
            self._status.update(escape(text[: self.console.width - 4]))
        elif now - self._printed >= PLAIN_EVERY_S:
            self._printed = now
            self._print(text[:200])

    def built(self, label: str, seconds: float) -> None:
        """Say that it is there, and what it took."""
        self.close()
        self._print(f"{label}: built in {seconds:.0f} s")

    def close(self) -> None:
        """Take the live line away."""
        if self._status is not None:
            self._status.stop()

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
