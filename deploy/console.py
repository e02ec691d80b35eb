"""The only place that prints: a command's result on standard output, how it gets on on standard error. With --json the
result stands in one envelope for every command, versioned.
"""

import json
import logging
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from embedstack.deploy.advice import everywhere, followable, one_command
from embedstack.deploy.errors import DeployError, Interrupted

SCHEMA = 1
"""Raised when a field changes its meaning or goes; new fields come without notice."""


class Data(Protocol):
    """A frozen dataclass: its fields are the JSON, and `__rich__` is what a person reads."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __rich__(self) -> RenderableType: ...


def success(command: str, data: Data) -> str:
    """`{"schema": 1, "command": …, "ok": true, "data": {…}}`"""
    return _json(command, True, data=asdict(data))


def failure(command: str, error: DeployError) -> str:
    """`{"schema": 1, "command": …, "ok": false, "error": {"code", "message", "advice", "exit_code"}}`"""
    details = {"code": error.code, "message": error.message, "advice": error.advice, "exit_code": error.exit_code}
    return _json(command, False, error=details)


def _json(command: str, ok: bool, **rest: object) -> str:
    envelope = {"schema": SCHEMA, "command": command, "ok": ok, **rest}
    return json.dumps(envelope, ensure_ascii=False, indent=2, default=str)


PRINT_EVERY = 10.0  # seconds between two lines on a transfer, where there is no terminal to draw a bar on

INTERRUPTED = "Interrupted."
STOPPED = "Interrupted; what was started has been stopped."


class Transfer(Protocol):
    """How far a transfer is."""

    def at(self, done: int, total: int | None = None) -> None:
        """`done` bytes of `total` (None: as said before) are there."""


Heard = Callable[[str, int, int | None], None]
"""What goes on, the bytes of it that are there, and of how many."""


class Report:
    """Where one run of `command` reports to, for people or as JSON. Colour and spinners only on a terminal."""

    def __init__(self, command: str, *, as_json: bool) -> None:
        self._command = command
        self._as_json = as_json
        self.heard: Heard = lambda *_: None
        """Called with each transfer as it gets on, from any thread."""
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """Tell that `doing` goes on, and how long it took."""
        began = time.monotonic()
        if self._err.is_terminal:
            with self._err.status(f"{doing} …"):
                yield
        else:
            self.say(f"{doing} …")
            yield
        self.say(f"[green]✓[/] {doing}  [dim]{time.monotonic() - began:.1f} s[/]")

    @contextmanager
    def transfer(self, doing: str, total: int | None = None) -> Iterator[Transfer]:
        """Tell how far a transfer of `total` bytes is: a bar with rate and time left, or now and then a line."""
        with self._drawn(doing, total) as drawn:
            yield _Heard(self.heard, drawn, doing, total)

    @contextmanager
    def _drawn(self, doing: str, total: int | None) -> Iterator[Transfer]:
        if not self._err.is_terminal:
            yield _Lines(self, doing, total)
            return
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
        with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=self._err, transient=True) as bar:
            yield _Bar(bar, doing, total)

    def command(self, argv: Sequence[str]) -> None:
        """The command line that is about to run, to be copied."""
        self._err.print(Text(f"$ {shlex.join(argv)}", style="dim"), soft_wrap=True)

    def say(self, line: str) -> None:
        """One line on standard error, with rich's markup."""
        self._err.print(line, soft_wrap=True)

    def say_plain(self, mark: str, details: str, dim: str = "") -> None:
        """One line on standard error: a mark with rich's markup, a text as it stands, and something beside it."""
        line = Text.assemble(Text.from_markup(mark), " ", details, "  ", (dim, "dim"))
        self._err.print(line, soft_wrap=True)

    def show(self, data: Data) -> None:
        """The result; what it advises can be typed here. One that is for copying stays as it is."""
        data = data if getattr(data, "verbatim", False) else everywhere(data)
        if self._as_json:
            self._write(success(self._command, data))
        else:
            self._out.print(data, crop=False)  # a path or a command is for copying: never cut

    def warn(self, text: str) -> None:
        """Something that does not end the command, and that a person must know."""
        self._err.print(Text.assemble(("! ", "bold yellow"), followable(text)), soft_wrap=True)

    def line(self, text: str) -> None:
        """One line of a log on standard output: as it stands, or as a JSON object a line."""
        self._write(json.dumps({"line": text}, ensure_ascii=False) if self._as_json else text)

    def head(self, columns: Text) -> None:
        """What stands above the entries that follow, for people."""
        if not self._as_json:
            self._out.print(columns, crop=False, soft_wrap=True)

    def entry(self, data: Data) -> None:
        """One of many results that come in their own time: a line, or a JSON object a line."""
        if self._as_json:
            self._write(json.dumps(asdict(data), ensure_ascii=False))
        else:
            self._out.print(data, crop=False, soft_wrap=True)

    def leave(self, exit_code: int) -> None:
        """End with this exit status, after the result was shown."""
        if exit_code:
            raise typer.Exit(exit_code)

    def fail(self, error: DeployError) -> None:
        """The end of a command that could not do its work."""
        error.message, error.advice = followable(error.message), followable(error.advice)
        if self._as_json:
            self._write(failure(self._command, error))
            return
        self._err.print(Text.assemble(("embedstack: ", "bold red"), error.message), soft_wrap=True)
        if error.advice:
            self._err.print(Text(error.advice), soft_wrap=True)

    def _write(self, document: str) -> None:
        # Flushed: `demo` goes on serving after its result, and anyone who reads a pipe wants it now.
        sys.stdout.write(document + "\n")
        sys.stdout.flush()


class _Heard:
    def __init__(self, heard: Heard, drawn: Transfer, doing: str, total: int | None) -> None:
        self._heard, self._drawn, self._doing, self._total = heard, drawn, doing, total

    def at(self, done: int, total: int | None = None) -> None:
        self._total = total or self._total
        self._heard(self._doing, done, self._total)
        self._drawn.at(done, total)


class _Bar:
    def __init__(self, bar: Progress, doing: str, total: int | None) -> None:
        self._bar = bar
        self._task = bar.add_task(doing, total=total)

    def at(self, done: int, total: int | None = None) -> None:
        self._bar.update(self._task, completed=done, total=total)  # rich leaves a total of None as it was


class _Lines:
    def __init__(self, report: Report, doing: str, total: int | None) -> None:
        self._report, self._doing, self._total = report, doing, total
        self._began = self._printed = time.monotonic()

    def at(self, done: int, total: int | None = None) -> None:
        self._total = total or self._total
        now = time.monotonic()
        if now - self._printed < PRINT_EVERY:
            return
        self._printed = now
        rate = done / (now - self._began) / 1e6
        of = f" of {self._total / 1e6:,.0f}" if self._total else ""
        rest = (self._total or 0) - done  # below 0 where the total was an estimate
        left = f", {rest / 1e6 / rate:.0f} s left" if rest > 0 and rate else ""
        self._report.say(f"{self._doing}: {done / 1e6:,.0f}{of} MB, {rate:.1f} MB/s{left}")


@contextmanager
def reporting(command: str, *, as_json: bool, interrupted: str | None = INTERRUPTED) -> Iterator[Report]:
    """A report for the block; what ends the block early is printed and sets the exit status. `interrupted`: what to say
    of an interruption; None where the block is meant to end by one, which then is its good end.
    """
    report = Report(command, as_json=as_json)
    warnings = _Warnings(report)
    files = logging.getLogger("embedstack.readers")
    files.addHandler(warnings)
    with one_command():
        try:
            yield report
        except DeployError as error:
            report.fail(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as signal:
            if interrupted is None:
                return
            details = Interrupted(interrupted)
            report.fail(details)
            raise typer.Exit(details.exit_code) from signal
        finally:
            files.removeHandler(warnings)


class _Warnings(logging.Handler):
    """What the readers of files set aside, reported as every other warning is."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report.warn(record.getMessage())
