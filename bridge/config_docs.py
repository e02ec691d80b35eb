"""Writes embed-bridge.example.yaml and the table in docs/configuration.md from the settings.

Run `python -m bridge.config_docs` in the repository after a change of `bridge.settings`.
"""

import textwrap
from itertools import groupby
from pathlib import Path

from bridge.settings_table import Setting, sections, table

EXAMPLE = Path("embed-bridge.example.yaml")
DOCS = Path("docs/configuration.md")
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"

_HEAD = """\
# Every setting of embed-bridge, each with its default. Copy what you change to embed-bridge.yaml, leave out the rest.
# From weak to strong: this file, the environment (EMBED_BRIDGE_LISTEN_PORT=8080), flags (--set listen.port=8080).
# Relative paths are relative to the file they stand in. `embed-bridge --print-config` shows what holds, and why.
"""


def example() -> str:
    """The example file: every key with its description, what it allows, and its default as the value."""
    parts = [_HEAD]
    for section, rows in _by_section():
        parts.append(f"\n{_comment(sections()[section], '')}{section}:\n")
        parts.append("\n".join(_entry(row) for row in rows))
    return "".join(parts)


def document(text: str) -> str:
    """The documentation with the table between its two marks made anew; ValueError where a mark is missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCS} has no {BEGIN} ... {END}")
    return f"{head}{BEGIN}\n\n{_tables()}\n{END}{tail}"


def _by_section() -> list[tuple[str, list[Setting]]]:
    return [(section, list(rows)) for section, rows in groupby(table().values(), key=lambda row: row.section)]


def _entry(row: Setting) -> str:
    default = row.show(row.default)
    about = _comment(row.description, "  ") + _comment(f"Allowed: {row.allowed}. Default: {default}.", "  ")
    return f"{about}  {row.name}: {default}\n"


def _comment(text: str, indent: str) -> str:
    lines = textwrap.wrap(text, 116 - len(indent), break_long_words=False, break_on_hyphens=False)
    return "".join(f"{indent}# {line}\n" for line in lines)


def _tables() -> str:
    parts = []
    for section, rows in _by_section():
        parts.append(
            f"### {section}\n\n{sections()[section]}\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n"
        )
        parts += [_row(row) for row in rows]
        parts.append("\n")
    return "".join(parts)


def _row(row: Setting) -> str:
    cells = (f"`{row.key}`", f"`{row.show(row.default)}`", row.allowed, row.description)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    EXAMPLE.write_text(example(), encoding="utf-8")
    DOCS.write_text(document(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
