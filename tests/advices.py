"""Everything that a text of this project advises to type or to set: collected from the sources and the documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from embedstack.bridge.settings import SCHEMA as BRIDGE
from embedstack.deploy.config import SCHEMA as STACK
from tests.paths import ROOT

UNKNOWN = "77"
"""What stands where a text is filled in later: it can be a name, a number and a part of either."""

_PROGRAMS = ("embedstack", "embed-bridge", "make")
_SOURCES = ("deploy", "bridge", "embedstack")
_DOCUMENTS = ("README*.md", "CONTRIBUTING.md", "docs/*.md", "docs/zh/*.md", "*.example.yaml")
_INLINE = re.compile(r"`([^`\n]+)`")
_NAMES = re.compile(
    rf"`(?:{'|'.join(_PROGRAMS)}) |^embedstack |(?<![\w-])--[a-z][a-z-]+|\b(?:EMBEDSTACK|EMBED_BRIDGE)_[A-Z]"
    rf"|(?<![\w/.-])(?:{'|'.join(sorted({*STACK.sections, *BRIDGE.sections}))})\.[a-z][a-z_0-9]*(?![\w/(-]|\.\w)"
)
_EXAMPLE = re.compile(r"^Example: (.+)$")
_TYPED = re.compile(r"^\s*\$ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Text:
    """A text that people get to read, and where it stands."""

    where: str
    text: str

    @property
    def of_document(self) -> bool:
        return not self.where.endswith(".py")

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
    """Every command line of ours in backticks, those that a document has after a prompt, the examples of --help."""
    found = [
        Advised(text.where, words)
        for text in texts()
        for quoted in (*_INLINE.findall(text.text), *_TYPED.findall(text.text), *_EXAMPLE.findall(text.text))
        for words in _simple(quoted)
        if words.partition(" ")[0] in _PROGRAMS and " " in words
    ]
    return list(dict.fromkeys(found))


@cache
def advices() -> list[Text]:
    """Every text of the sources that names a command, a setting, a flag or a variable of ours; an example of `--help`,
    and what heads a file that is printed, is none. A text that stands in several places is there once.
    """
    named = {text.text: text for text in reversed(list(_messages())) if _NAMES.search(text.text)}
    return [text for text in reversed(named.values()) if not text.text.startswith(("Example: ", "# "))]


def printed(text: str) -> str:
    """A pattern of the text as it is printed, to the end of its line: filled in, its commands with more words."""
    wide = re.sub(r"`embedstack [^`]*(?=`)", lambda found: f"{found[0]}{UNKNOWN}", text.strip())
    return ".*?".join(map(re.escape, wide.split(UNKNOWN))) + r"[^\n]*"


def _simple(line: str) -> Iterator[str]:
    """The commands of a line of the shell: no comment, no redirection, no variables before it, no venv's folder."""
    for part in re.split(r"&&?|\||;", re.sub(r"\s#.*$", "", line.rstrip("\\"))):
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
