"""The tree of the sources: rooms, files, who imports whom."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
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


def circles(arrows: Iterable[tuple[str, str]]) -> list[Set[str]]:
    """The sets of names of which each reaches each of the others."""
    ahead: dict[str, set[str]] = defaultdict(set)
    for start, end in arrows:
        ahead[start].add(end)
    reached = {start: _reached(start, ahead) for start in ahead}
    together = {
        frozenset(other for other in ends if start in reached.get(other, ()))
        for start, ends in reached.items()
        if start in ends
    }
    return sorted(together, key=sorted)


def _reached(start: str, ahead: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(ahead[start])
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            waiting.extend(ahead.get(name, ()))
    return seen
