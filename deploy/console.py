"""The only place that prints: a command's result on standard output, how it gets on on standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from deploy import result
from deploy.errors import DeployError, Interrupted


class Report:
    """Where one run of `command` reports to, for people or as JSON. Colour and spinners only on a terminal."""

    def __init__(self, command: str, *, as_json: bool) -> None:
        self._command = command
        self._as_json = as_json
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

    def say(self, line: str) -> None:
        """One line on standard error, with rich's markup."""
        self._err.print(line, soft_wrap=True)

    def show(self, data: result.Data) -> None:
        """The result."""
        if self._as_json:
            self._write(result.success(self._command, data))
        else:
            self._out.print(data, crop=False)  # a path or a command is for copying: never cut

    def fail(self, error: DeployError) -> None:
        """The end of a command that could not do its work."""
        if self._as_json:
            self._write(result.failure(self._command, error))
            return
        self._err.print(Text.assemble(("embedstack: ", "bold red"), error.message), soft_wrap=True)
        if error.advice:
            self._err.print(Text(error.advice), soft_wrap=True)

    def _write(self, document: str) -> None:
        # Flushed: `demo` goes on serving after its result, and whoever reads a pipe wants it now.
        sys.stdout.write(document + "\n")
        sys.stdout.flush()


@contextmanager
def reporting(command: str, *, as_json: bool) -> Iterator[Report]:
    """A report for the block; what ends the block early is told and becomes the exit status."""
    report = Report(command, as_json=as_json)
    try:
        yield report
    except DeployError as error:
        report.fail(error)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as signal:
        interrupted = Interrupted("Interrupted; what was started has been stopped.")
        report.fail(interrupted)
        raise typer.Exit(interrupted.exit_code) from signal
