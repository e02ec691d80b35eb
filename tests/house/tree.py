"""The tree of the sources: rooms, files, who imports whom."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import grimp

from tests.paths import ROOT

PACKAGE = "embedstack"
# Python counts these as files too, and nobody looks into them: a package's docstring alone.
EMPTY = 5


@dataclass(frozen=True)
class Source:
    """A module: its name as it is imported, and its file. `importers` are the names of those that import it."""

    name: str
    path: Path
    importers: frozenset[str]

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def folder(self) -> str:
        """`deploy/webui/index`: where the file lies, by the name that the repository's root has for it."""
        return str(self.path.parent.relative_to(ROOT))

    @property
    def classes(self) -> Iterator[str]:
        return (node.name for node in self.tree.body if isinstance(node, ast.ClassDef))

    @property
    def place(self) -> str:
        return str(self.path.relative_to(ROOT))


@cache
def sources() -> Mapping[str, Source]:
    """Every module of the package by its name; what a link leads to lies where the link leads."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    found = {}
    for name in sorted(graph.modules):
        if path := _file(name):
            found[name] = Source(name, path, frozenset(graph.find_modules_that_directly_import(name)))
    return found


def _file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file.resolve()
    return None


def files() -> list[Source]:
    """Those that one would open."""
    return [source for source in sources().values() if source.lines > EMPTY]


def arrows() -> set[tuple[str, str]]:
    """(importer, imported), by their names."""
    return {(importer, source.name) for source in sources().values() for importer in source.importers}


def circles(arrows: Set[tuple[str, str]]) -> list[frozenset[str]]:
    """The sets of names of which each reaches each of the others."""
    ends = {start: reached(start, arrows) for start, _ in arrows}
    on_circle = {start for start, found in ends.items() if start in found}
    together = {frozenset(other for other in ends[start] & on_circle if start in ends[other]) for start in on_circle}
    return sorted(together, key=sorted)


def reached(start: str, arrows: Set[tuple[str, str]]) -> set[str]:
    """Where the arrows lead from there; `start` itself only by a circle."""
    ahead: dict[str, set[str]] = defaultdict(set)
    for one, other in arrows:
        ahead[one].add(other)
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = ahead[waiting.pop()] - seen
        seen |= new
        waiting.extend(new)
    return seen
