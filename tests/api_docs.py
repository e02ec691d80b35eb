"""The tables of docs/api.md, which tests/unit/repository/test_api_docs.py holds against the code."""

from __future__ import annotations

import re

from tests.paths import ROOT

DOCS = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def rows(*heading: str) -> list[list[str]]:
    """The cells of the one table with these headings."""
    lines = DOCS.split(f"| {' | '.join(heading)} |\n")[1].splitlines()[1:]
    table = lines[: next(i for i, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def routes() -> list[tuple[str, str]]:
    """Method and path of each."""
    named = (quoted(row[0])[0].partition(" ") for row in rows("route", "what it is"))
    return [(method, path) for method, _, path in named]


def fields() -> list[str]:
    """Every field that some route reads of a body."""
    return [name for row in rows("field", "routes", "meaning") for name in quoted(row[0])]


def request_headers() -> list[str]:
    return [quoted(row[0])[0] for row in rows("header", "in", "meaning") if row[1] == "request"]
