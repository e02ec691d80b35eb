"""What a smoke test found, as a person reads it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Group
from rich.text import Text

from embedstack.deploy.smoke.pace import Throughput

_MARKS = {True: ("✓ ", "green"), False: ("✗ ", "bold red"), None: ("- ", "dim")}


@dataclass(frozen=True)
class Check:
    """One check: what was found, what must be, and the seconds it took. `passed` None: not offered by such a server,
    and `value` says why.
    """

    name: str
    passed: bool | None
    value: str
    must: str
    seconds: float


@dataclass(frozen=True)
class Smoke:
    """All checks of one server. What it takes is measured and never judged: a text alone, in milliseconds at the
    median, and texts a second in one request; None where nothing came back. `throughput` by length, where it was asked
    for.
    """

    url: str
    model: str
    checks: tuple[Check, ...]
    latency_ms: float | None
    texts_per_second: float | None
    throughput: tuple[Throughput, ...] = ()
    passed: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "passed", not self.failed and any(check.passed for check in self.checks))

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.passed is False)

    def __rich__(self) -> Group:
        return Group(*self._lines())

    def _lines(self) -> Iterator[Text]:
        yield Text(f"{self.model} at {self.url}", style="bold")
        width = max(len(check.name) for check in self.checks)
        for check in self.checks:
            yield Text.assemble(_MARKS[check.passed], f"{check.name:<{width}}  ", check.value)
            if check.passed is False:
                yield Text(f"  {'':<{width}}  must be: {check.must}", style="red")
        if self.latency_ms is not None and self.texts_per_second is not None:
            pace = f"{self.latency_ms:.1f} ms a text alone, {self.texts_per_second:.1f} texts/s together"
            yield Text(f"  {'measured':<{width}}  {pace}", style="dim")
        for measured in self.throughput:
            yield Text(f"  {f'at {measured.length} tokens':<{width}}  {measured}", style="dim")
        yield Text("All is right." if self.passed else f"{len(self.failed)} of {len(self.checks)} checks failed.")
