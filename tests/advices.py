"""Everything that a text of this project advises to type or to set: collected from the sources and the documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNKNOWN = "77"
"""What stands where a text is filled in later: it can be a name, a number and a part of either."""

_PROGRAMS = ("embedstack", "embed-bridge", "make")
_SOURCES = ("deploy", "bridge", "modelfiles")
_DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/*.md", "*.example.yaml")
_INLINE = re.compile(r"`([^`\n]+)`")
_TYPED = re.compile(r"^\s*\$ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Text:
    """A text that people get to read, and where it stands."""

    where: str
    text: str

    @property
    def of_bridge(self) -> bool:
        return self.where.startswith("bridge/")


@dataclass(frozen=True)
class Advised:
    """A command line, its first word the program."""

    where: str
    words: str


@cache
def texts() -> list[Text]:
    """Of the sources those strings that are sentences: an advice has a space in it."""
    return [*_messages(), *_documents()]


def commands() -> list[Advised]:
    """Every command line of ours in backticks, and every one that a document has after a prompt."""
    found = [
        Advised(text.where, words)
        for text in texts()
        for quoted in (*_INLINE.findall(text.text), *_TYPED.findall(text.text))
        for words in _simple(quoted)
        if words.partition(" ")[0] in _PROGRAMS and " " in words
    ]
    return list(dict.fromkeys(found))


def _simple(line: str) -> Iterator[str]:
    """The commands of a line of the shell: no comment, no redirection, no variables before it, no venv's folder."""
    for part in re.split(r"&&|\||;", re.sub(r"\s#.*$", "", line.rstrip("\\"))):
        words = re.sub(r"\s*[<>].*$", "", part).strip()
        words = re.sub(r"^(\w+=\S*\s+)+", "", words).removeprefix(".venv/bin/")
        yield words


def _messages() -> Iterator[Text]:
    for folder in _SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            where = str(path.relative_to(ROOT))
            yield from (Text(where, found) for found in _strings(ast.parse(path.read_text())) if " " in found)


def _documents() -> Iterator[Text]:
    for pattern in _DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            yield Text(str(path.relative_to(ROOT)), path.read_text())


def _strings(tree: ast.AST) -> Iterator[str]:
    """Every string but docstrings, whole: f-strings with UNKNOWN in each place."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else UNKNOWN for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | parts:
            yield node.value
