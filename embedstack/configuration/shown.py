"""Settings as they may be shown: each key with its value, masked, and its source. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from embedstack.configuration.schema import S, Schema


@dataclass(frozen=True)
class Shown:
    """One key. `value` is what JSON can hold, `text` one line of YAML; both are masked."""

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
