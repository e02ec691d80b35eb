"""The tables that a person reads and the JSON that a program reads."""

from collections.abc import Mapping, Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.figures import AIMS, Row, Spread
from benchmarks.machine import Machine
from benchmarks.subjects import BRIDGE

SCHEMA = 1


class Report(msgspec.Struct, frozen=True):
    """One run. `failed` says, for what could not be measured, why."""

    machine: Machine
    versions: Mapping[str, str]
    settings: Mapping[str, float]
    rows: Sequence[Row]
    failed: Sequence[str]
    schema: int = SCHEMA


def encode(report: Report) -> bytes:
    aims = {name: msgspec.to_builtins(aim) for name, aim in AIMS.items()}
    return msgspec.json.format(msgspec.json.encode({**msgspec.to_builtins(report), "aims": aims}), indent=2) + b"\n"


def show(report: Report, console: Console) -> None:
    """A table a benchmark: medians over the rounds, the range of the aimed figure (named last), the aim."""
    for name in dict.fromkeys(row.benchmark for row in report.rows):
        console.print(_table(name, [row for row in report.rows if row.benchmark == name]))
    console.print(str(report.machine))
    console.print(", ".join(f"{name} {version}" for name, version in report.versions.items()))
    for failure in report.failed:
        console.print(f"not measured: {failure}", style="bold red", markup=False)


def _table(name: str, rows: Sequence[Row]) -> Table:
    aim = AIMS[name]
    table = Table(title=name, title_justify="left")
    for heading in ("", "asked as"):
        table.add_column(heading)
    for heading in (*rows[0].figures, "its rounds", "requests"):
        table.add_column(heading, justify="right")
    table.add_column(f"aim: {aim}")
    for row in rows:
        medians = (_number(spread.median) for spread in row.figures.values())
        rounds = _rounds(row.figures[aim.figure])
        table.add_row(row.subject, row.shape, *medians, rounds, f"{row.requests:,}", _verdict(row))
    return table


def _verdict(row: Row) -> str:
    if not row.subject.startswith(BRIDGE):
        return ""
    aim = AIMS[row.benchmark]
    return "[green]reached" if aim.met(row.figures[aim.figure].median) else "[red]not reached"


def _rounds(spread: Spread) -> str:
    return "" if spread.low == spread.high else f"{_number(spread.low)} to {_number(spread.high)}"


def _number(value: float) -> str:
    """Two digits are as many as a noisy machine can stand for; four of what is counted."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}" if abs(value) < 10 else f"{value:.1f}"
