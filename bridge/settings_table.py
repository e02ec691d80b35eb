"""The settings as a table: one row a key, read off the structs of `bridge.settings`.

The loader reads values by it; the example file, `--print-config` and docs/configuration.md are made from it.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from bridge.settings import MIB, Settings, Upstream
from modelfiles import validation

ENV_PREFIX = "EMBED_BRIDGE_"
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclass(frozen=True)
class Setting:
    """One key, as `engine.url`.

    Attributes:
        members: the types it takes, annotations removed: (str, NoneType).
        allowed: the values it takes, in words.
        secret: never printed.
        size: takes '64 MiB' as well as bytes.
    """

    section: str
    name: str
    description: str
    default: Any
    allowed: str
    members: tuple[Any, ...]
    secret: bool
    size: bool

    @property
    def key(self) -> str:
        """Its name in the file and for --set."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{ENV_PREFIX}{self.section}_{self.name}".upper()

    @property
    def nullable(self) -> bool:
        """Whether null is a value of it."""
        return types.NoneType in self.members

    @property
    def is_path(self) -> bool:
        """Whether it names a file."""
        return Path in self.members

    def parse(self, text: str) -> Any:
        """The value that `text` stands for in a variable or a flag; InvalidError for broken YAML.

        Text for a text or path setting is taken as it stands; anything else is YAML, and a list may also be
        written with commas.
        """
        if self.nullable and text in ("", "null"):
            return None
        if self.members[0] in (str, Path):
            return text
        if get_origin(self.members[0]) is tuple and not text.lstrip().startswith("["):
            return [part.strip() for part in text.split(",") if part.strip()]
        return self.normalise(validation.parse_yaml(text))

    def normalise(self, value: Any) -> Any:
        """A size written for people as bytes; any other value as it is."""
        if not self.size or not isinstance(value, str):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", value.strip().lower())
        if match is None or match[2] not in _UNITS:
            return value  # the schema refuses it, with the key and what is allowed
        return int(float(match[1]) * _UNITS[match[2]])

    def masked(self, value: Any) -> Any:
        """The value as it may be shown: no key, no password in a URL."""
        if self.secret and value:
            return "********"
        if isinstance(value, tuple):
            return tuple(self.masked(item) for item in value)
        if isinstance(value, Upstream):
            key = "********" if value.api_key else None
            return msgspec.structs.replace(value, url=self.masked(value.url), api_key=key)
        return re.sub(r"//\S*@", "//********@", value) if isinstance(value, str) else value

    def show(self, value: Any) -> str:
        """The value as one line of YAML, masked; a size in MiB where that is exact."""
        if self.size and isinstance(value, int) and value % MIB == 0:
            return f"{value // MIB} MiB"
        return flow(self.masked(value))


@cache
def table() -> dict[str, Setting]:
    """Every setting by its key, in the order of the structs."""
    return {setting.key: setting for setting in _settings()}


def sections() -> dict[str, str]:
    """Every section with what it is about."""
    hints = get_type_hints(Settings)
    return {f.name: (hints[f.name].__doc__ or "").strip() for f in msgspec.structs.fields(Settings)}


def flow(value: Any) -> str:
    """A value as YAML on one line, as it can be pasted into the file or after `--set KEY=`."""
    plain = msgspec.to_builtins(value, enc_hook=str)
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _settings() -> Iterator[Setting]:
    for section, struct in get_type_hints(Settings).items():
        hints = get_type_hints(struct, include_extras=True)
        for field in msgspec.structs.fields(struct):
            kind = hints[field.name]
            extras = list(_extras(kind))
            yield Setting(
                section=section,
                name=field.name,
                description=next(meta.description for meta in get_args(kind)[1:] if meta.description),
                default=field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory(),
                allowed=validation.describe(kind),
                members=tuple(_members(kind)),
                secret=any(extra.get("secret") for extra in extras),
                size=any(extra.get("unit") == "bytes" for extra in extras),
            )


def _members(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        yield from _members(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _members(member)
    else:
        yield kind


def _extras(kind: Any) -> Iterator[dict[str, Any]]:
    if get_origin(kind) is Annotated:
        yield from (meta.extra for meta in get_args(kind)[1:] if meta.extra)
        yield from _extras(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _extras(member)
