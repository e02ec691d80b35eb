"""The tables that a person reads and the JSON that a program reads."""

from collections.abc import Mapping, Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Row, Spread
from benchmarks.machine import Machine
from benchmarks.outcome import Outcome, Points

SCHEMA = 2


class Report(msgspec.Struct, frozen=True):
    """One run. `failed` says, for what could not be measured, why."""

    machine: Machine
    versions: Mapping[str, str]
    settings: Mapping[str, object]
    rows: Sequence[Row]
    outcomes: Sequence[Outcome]
    lines: Mapping[str, Points]
    failed: Sequence[str]
    schema: int = SCHEMA


def encode(report: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def show(report: Report, console: Console) -> None:
    """A table a benchmark, medians over the rounds; then every figure beside its alternative and its aim."""
    for name in dict.fromkeys(row.benchmark for row in report.rows):
        console.print(_table(name, [row for row in report.rows if row.benchmark == name]))
    console.print(_aims(report.outcomes))
    console.print(str(report.machine))
    console.print(", ".join(f"{name} {version}" for name, version in report.versions.items()))
    for failure in report.failed:
        console.print(f"not measured: {failure}", style="bold red", markup=False)


def _table(name: str, rows: Sequence[Row]) -> Table:
    table = Table(title=name, title_justify="left")
    for heading in ("", "asked as"):
        table.add_column(heading)
    figures = list(rows[0].figures)
    for heading in (*figures, f"{figures[-1]} by round", "requests"):
        table.add_column(heading, justify="right")
    for row in rows:
        medians = (_number(spread.median) for spread in row.figures.values())
        table.add_row(row.subject, row.shape, *medians, _rounds(row.figures[figures[-1]]), f"{row.requests:,}")
    return table


def _aims(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="aims", title_justify="left")
    for heading in ("benchmark", "figure"):
        table.add_column(heading)
    table.add_column("bridge", justify="right")
    for heading in ("beside it", "aim", ""):
        table.add_column(heading)
    words = {True: "[green]reached", False: "[red]not reached", None: ""}
    for one in outcomes:
        table.add_row(one.benchmark, one.figure, _number(one.bridge), one.beside, one.aim, words[one.reached])
    return table


def _rounds(spread: Spread) -> str:
    return "" if spread.low == spread.high else f"{_number(spread.low)} to {_number(spread.high)}"


def _number(value: float) -> str:
    """Two digits are as many as a noisy machine can stand for; four of what is counted."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}" if abs(value) < 10 else f"{value:.1f}"
