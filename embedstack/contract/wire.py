"""Converts records to plain values for JSON, and back.

A field marked `LEFT_OUT` is not written if it is None; any other None is written as null. A field with a default may be
missing from an older bridge's answer. Unknown fields of a newer one are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

LEFT_OUT: Mapping[str, bool] = MappingProxyType({"left out": True})

T = TypeVar("T")
_PLAIN = frozenset({str, int, float, bool, type(None)})


def plain(record: object) -> dict[str, Any]:
    """A dataclass as plain values, in the order of its fields."""
    kind: Any = type(record)
    names, left_out = _fields(kind)
    values = {name: getattr(record, name) for name in names}
    for name, value in values.items():
        if type(value) not in _PLAIN:
            values[name] = _plain(value)
    for name in left_out:
        if values[name] is None:
            del values[name]
    return values


def read(kind: type[T], said: object) -> T:
    """The record. ValueError, with the field, if `said` is not of this kind."""
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


@cache
def _fields(kind: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of all fields, and of those left out if None. Cached, since a trace may have 100,000 records."""
    names = tuple(field.name for field in fields(kind))
    return names, tuple(field.name for field in fields(kind) if "left out" in field.metadata)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return [plain(part) for part in value]
    return plain(value) if is_dataclass(value) else value
