"""The steps of `up`, one after the other: each is reported, timed, and may find that it was done before."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from embedstack.deploy.console import Report


@dataclass(frozen=True)
class Step:
    """One step of `up`: `already` where there was nothing left to do."""

    name: str
    seconds: float
    already: bool
    detail: str


class Doing:
    """A step that goes on; anyone who does it says what came of it."""

    def __init__(self) -> None:
        self.already = False
        self.detail = ""

    def was_done(self, detail: str) -> None:
        """There was nothing left to do."""
        self.already, self.detail = True, detail

    def did(self, detail: str) -> None:
        self.already, self.detail = False, detail


class Steps:
    """All steps so far."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.at: Callable[[str], None] = lambda _: None
        """Called with the name of each step that begins."""
        self._done: list[Step] = []

    @contextmanager
    def step(self, name: str) -> Iterator[Doing]:
        """A step of that name; what it raises ends `up`, and nothing that was done before is taken back."""
        began = time.monotonic()
        self.at(name)
        doing = Doing()
        yield doing
        step = Step(name, time.monotonic() - began, doing.already, doing.detail)
        self._done.append(step)
        mark = "[dim]=[/]" if step.already else "[green]✓[/]"
        message = f"{name}: {step.detail}" if step.detail else name
        self.report.say_plain(mark, message, f"{step.seconds:.1f} s")

    @property
    def done(self) -> tuple[Step, ...]:
        return tuple(self._done)
