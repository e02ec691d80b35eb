"""What `up`, `status` and `down` have to say."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from embedstack.deploy.advice import followable
from embedstack.deploy.smoke.proof import Proof
from embedstack.deploy.stack.chat_step import Chat
from embedstack.deploy.stack.going import Going, Moved
from embedstack.deploy.stack.steps import Step
from embedstack.deploy.state import PartState

_STYLES = {"running": "green", "starting": "yellow", "backoff": "yellow", "failed": "red", "stopped": "dim"}


@dataclass(frozen=True)
class Up:
    """A stack that runs. `unchanged` where nothing was left to do. `chat` None where nobody chats through it."""

    stack: str
    mode: str
    reason: str
    model: str
    note: str | None
    unchanged: bool
    seconds: float
    parts: tuple[PartState, ...]
    steps: tuple[Step, ...]
    proof: Proof
    next: tuple[str, ...]
    chat: Chat | None = None

    def __rich__(self) -> Group:
        what = "nothing had changed" if self.unchanged else "up"
        head = Text.assemble((self.stack, "bold"), f": {what}, {self.seconds:.1f} s; {self.mode}, since {self.reason}")
        note = [Text(self.note, style="yellow")] if self.note else []
        return Group("", head, parts_table(self.parts), self._took(), "", self.proof, "", *note, *_lines(self.next))

    def _took(self) -> Text:
        took = [f"{step.name} {step.seconds:.1f} s" for step in self.steps if not step.already]
        return Text("\n" + ", ".join(took) if took else "", style="dim")


@dataclass(frozen=True)
class Planned:
    """What `up` would do."""

    stack: str
    mode: str
    reason: str
    engine: str
    engine_reason: str
    model: str
    precision: str
    num_ctx: int
    download_bytes: int
    parts: tuple[str, ...]

    def __rich__(self) -> Group:
        fetch = f"{self.download_bytes / 1e9:.1f} GB to fetch" if self.download_bytes else "nothing to fetch"
        rows = (
            ("stack", self.stack),
            ("mode", f"{self.mode}: {self.reason}"),
            ("engine", f"{self.engine}: {self.engine_reason}"),
            ("model", f"{self.model} at {self.precision}, num_ctx {self.num_ctx}; {fetch}"),
            ("parts", ", ".join(self.parts)),
        )
        return Group(*(Text(f"{name:<8}{value}") for name, value in rows), "", "Nothing was started.")


@dataclass(frozen=True)
class Status:
    """How a stack is. `exit_code` 4 where a part is not well. `going`: an `up` that is at it now."""

    stack: str
    mode: str
    model: str
    parts: tuple[PartState, ...]
    exit_code: int
    going: Going | None = None

    def __rich__(self) -> Group:
        parts = (
            parts_table(self.parts) if self.parts else Text(followable("It does not run; `embedstack up` starts it."))
        )
        head = Text.assemble((self.stack, "bold"), f": {self.model}, {self.mode}")
        if self.going is None:
            return Group(head, parts)
        return Group(head, _going(self.going), *([parts] if self.parts else []))


@dataclass(frozen=True)
class Down:
    """A stack that was stopped."""

    stack: str
    stopped: tuple[str, ...]
    left: str

    def __rich__(self) -> Text:
        return Text(f"{self.stack}: {', '.join(self.stopped) or 'nothing'} stopped; {self.left}")


def _going(up: Going) -> Text:
    now = time.time()
    message = f"`up` goes on: {up.step}, for {_age(now - up.since)}"
    far = f"\n{_far(up.moved, now)}" if up.moved else ""
    return Text(f"{message} (process {up.who.pid}, for {_age(now - up.began)} in all){far}", "yellow")


def _far(moved: Moved, now: float) -> str:
    """So many megabytes of so many, and how long the rest takes at the rate so far."""
    message = f"{moved.what}: {moved.done / 1e6:,.0f}"
    if not moved.total:
        return f"{message} MB"
    rest, rate = moved.total - moved.done, moved.done / max(now - moved.since, 1.0)
    left = f", about {_age(rest / rate)} left" if rate and rest > 0 else ""
    return f"{message} of {moved.total / 1e6:,.0f} MB{left}"


def parts_table(parts: Sequence[PartState]) -> RenderableType:
    """Each part with its address, its state, and for how long."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("part", "state", "address", "for", "restarts", ""):
        table.add_column(column, overflow="fold")
    for part in parts:
        age = "" if part.since is None else _age(time.time() - part.since)
        restarts = str(part.restarts) if part.restarts else ""
        state = Text(part.state, style=_STYLES[part.state])
        table.add_row(part.name, state, part.address or "", age, restarts, Text(part.reason))
    return table


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _lines(lines: Sequence[str]) -> list[Text]:
    return [Text(line, no_wrap=True, overflow="ignore") for line in lines]
