"""From what the layers gave to the struct, and whom to blame where a value cannot be used. Pure."""

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
    """The settings; ConfigError that names every source of what is wrong. A stronger layer's value is in `given`.

    `prepare` may rewrite what people may write shorter; a relative path is taken from `cwd`.
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
    """By key, where its value came from: `default`, a file, a variable, a flag."""
    return {key: given[key].source if key in given else "default" for key in schema.table}


def _path(kind: type, value: Any, cwd: Path) -> Any:
    if kind is not Path or not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("not a path")
    try:
        return cwd / Path(value).expanduser()
    except RuntimeError as error:  # `~name` of nobody
        raise ValueError("not a path") from error


def _blame(path: str, given: Layer, problem: str) -> str:
    """Where the wrong value came from; for values that do not go together, every source of them."""
    if not path:
        owners = [key for key in given if key in problem] or [key for key in given if _section_in(problem, key)]
        return ", ".join(dict.fromkeys(given[key].source for key in owners)) or "configuration"
    owners = [key for key in given if re.match(rf"{re.escape(key)}([.\[]|$)", path)]
    owners = owners or [key for key in given if key.startswith(f"{path}.")]
    return ", ".join(dict.fromkeys(given[key].source for key in owners)) or "configuration"


def _section_in(problem: str, key: str) -> bool:
    return re.search(rf"\b{re.escape(key.partition('.')[0])}\b", problem) is not None
