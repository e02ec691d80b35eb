"""The rooms of the house and the arrows between them, as the layers in pyproject.toml name them."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from tests.house.tree import arrows, reached
from tests.paths import ROOT

MANY = 5


@dataclass(frozen=True)
class Wing:
    """A part of the house: its layers from the top to the bottom, each with its rooms side by side.

    Attributes:
        common: rooms that many others use.
        arrows: between its rooms, without those to common ones, and those that a way over other rooms says as well.
    """

    name: str
    layers: tuple[tuple[str, ...], ...]
    common: frozenset[str]
    arrows: frozenset[tuple[str, str]]

    @property
    def rooms(self) -> frozenset[str]:
        return frozenset(room for layer in self.layers for room in layer)


@cache
def wings() -> tuple[Wing, ...]:
    """The bridge, the toolkit, and the common ground under both."""
    found = {contract["containers"][0]: _wing(contract) for contract in _contracts()}
    return found["embedstack.bridge"], found["embedstack.deploy"], found["embedstack"]


def _contracts() -> Sequence[Mapping[str, list[str]]]:
    contracts: Sequence[Mapping[str, list[str]]] = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["tool"][
        "importlinter"
    ]["contracts"]
    return contracts


def _wing(contract: Mapping[str, list[str]]) -> Wing:
    (container,) = contract["containers"]
    lines = ([room.strip() for room in line.split("|")] for line in contract["layers"])
    layers = tuple(tuple(line) for line in lines if not {"bridge", "deploy"} & {*line})
    known = {room for layer in layers for room in layer}
    excused = [line.split(" -> ") for line in contract.get("ignore_imports", ())]
    found = {
        (_room(importer, container), _room(imported, container))
        for importer, imported in arrows()
        if not any(fnmatchcase(importer, one) and fnmatchcase(imported, other) for one, other in excused)
    }
    inside = {(start, end) for start, end in found if {start, end} <= known and start != end}
    users = Counter(end for _, end in inside)
    common = frozenset(room for room in users if users[room] >= MANY)
    shortest = frozenset((start, end) for start, end in _shortest(inside) if end not in common)
    return Wing(container.rpartition(".")[2], layers, common, shortest)


def _room(module: str, container: str) -> str:
    inside = module.removeprefix(f"{container}.")
    return inside.split(".")[0] if inside != module else ""


def _shortest(arrows: set[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Those arrows without which something could no longer be reached."""
    return frozenset((start, end) for start, end in arrows if end not in reached(start, arrows - {(start, end)}))
