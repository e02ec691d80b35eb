"""Builds the settings from the layers, and names the source of an invalid value. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embedstack.configuration import validation
from embedstack.configuration.layers import ConfigError, Layer
from embedstack.configuration.schema import S, Schema

Document = dict[str, dict[str, Any]]


def build(schema: Schema[S], given: Layer, prepare: Callable[[Document], None] | None = None, cwd: Path = Path()) -> S:
    """The settings. ConfigError, which names every source of the problem. `given`: the layers' values, merged.

    `prepare` may expand short forms. A relative path is relative to `cwd`.
    """
    document: Document = {}
    for key, (value, _) in given.items():
        row = schema.table[key]
        document.setdefault(row.section, {})[row.name] = row.normalise(value)
    if prepare is not None:
        prepare(document)
    try:
        return validation.convert(document, schema.settings, lambda kind, value: _path(kind, value, cwd))
    except validation.InvalidError as error:
        problem = str(error)
        if any(row.hides(error.path) for row in schema.table.values()):
            problem = problem.partition(", got ")[0]
        raise ConfigError(f"{_blame(error.path, given, problem)}: {problem}") from error


def sources(schema: Schema[S], given: Layer) -> dict[str, str]:
    """Where the value of each key came from: `default`, a file, a variable, a flag."""
    return {key: given[key].source if key in given else "default" for key in schema.table}


def _path(kind: type, value: Any, cwd: Path) -> Any:
    if kind is not Path or not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("not a path")
    try:
        return cwd / Path(value).expanduser()
    except RuntimeError as error:  # `~name` without such a user
        raise ValueError("not a path") from error


def _blame(path: str, given: Layer, problem: str) -> str:
    """Where the wrong value came from. For values that contradict each other, all their sources."""
    if not path:
        owners = [key for key in given if key in problem] or [key for key in given if _section_in(problem, key)]
        return ", ".join(dict.fromkeys(given[key].source for key in owners)) or "configuration"
    owners = [key for key in given if re.match(rf"{re.escape(key)}([.\[]|$)", path)]
    owners = owners or [key for key in given if key.startswith(f"{path}.")]
    return ", ".join(dict.fromkeys(given[key].source for key in owners)) or "configuration"


def _section_in(problem: str, key: str) -> bool:
    return re.search(rf"\b{re.escape(key.partition('.')[0])}\b", problem) is not None
