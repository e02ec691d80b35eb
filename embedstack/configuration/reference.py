"""Writes the settings' example file, and their table between two marks in a document. Also shows each key with its
masked value and its source. Pure, except for `Pages.write`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from embedstack.configuration.schema import S, Schema
from embedstack.configuration.setting import Setting

BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"


@dataclass(frozen=True)
class Pages:
    """The pages made from one schema: the example file, and the document with the table, by their paths in the
    repository. `head`: the beginning of the example.
    """

    schema: Schema[Any]
    head: str
    example: Path
    document: Path

    def as_example(self) -> str:
        return example(self.schema, self.head)

    def as_document(self, text: str) -> str:
        """`text` with a new table. ValueError if a mark is missing."""
        return document(self.schema, text, str(self.document))

    def write(self) -> None:
        """Write both, relative to the current folder."""
        self.example.write_text(self.as_example(), encoding="utf-8")
        self.document.write_text(self.as_document(self.document.read_text(encoding="utf-8")), encoding="utf-8")


def example(schema: Schema[Any], head: str) -> str:
    """The example file: every key with its description, its allowed values, and its default as the value."""
    parts = [head]
    for section, rows in _by_section(schema):
        parts.append(f"\n{_comment(schema.sections[section], '')}{section}:\n")
        parts.append("\n".join(_entry(row) for row in rows))
    return "".join(parts)


def document(schema: Schema[Any], text: str, name: str) -> str:
    """The document `name` with a new table between its two marks. ValueError if a mark is missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{name} has no {BEGIN} ... {END}")
    return f"{head}{BEGIN}\n\n{_tables(schema)}\n{END}{tail}"


def _by_section(schema: Schema[Any]) -> list[tuple[str, list[Setting]]]:
    return [(section, list(rows)) for section, rows in groupby(schema.table.values(), key=lambda row: row.section)]


def _entry(row: Setting) -> str:
    default = row.show(row.default)
    about = _comment(row.description, "  ") + _comment(f"Allowed: {row.allowed}. Default: {default}.", "  ")
    return f"{about}  {row.name}: {default}\n"


def _comment(text: str, indent: str) -> str:
    lines = textwrap.wrap(text, 116 - len(indent), break_long_words=False, break_on_hyphens=False)
    return "".join(f"{indent}# {line}\n" for line in lines)


def _tables(schema: Schema[Any]) -> str:
    parts = []
    for section, rows in _by_section(schema):
        about = schema.sections[section]
        parts.append(f"### {section}\n\n{about}\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n")
        parts += [_row(row) for row in rows]
        parts.append("\n")
    return "".join(parts)


def _row(row: Setting) -> str:
    cells = (f"`{row.key}`", f"`{row.show(row.default)}`", row.allowed, row.description)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


@dataclass(frozen=True)
class Shown:
    """One key. `value`: for JSON. `text`: one line of YAML. Both are masked."""

    key: str
    value: Any
    text: str
    source: str


def shown(schema: Schema[S], settings: S, sources: Mapping[str, str]) -> tuple[Shown, ...]:
    """Every key in the order of the structs."""
    return tuple(
        Shown(key, msgspec.to_builtins(row.masked(value), enc_hook=str), row.show(value), sources[key])
        for key, row in schema.table.items()
        for value in (getattr(getattr(settings, row.section), row.name),)
    )
