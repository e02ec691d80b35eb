"""One setting: how its value is read from text, and how it is shown. Pure."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from embedstack.configuration import validation
from embedstack.readers import content, yaml_file

MIB = 1024**2
MASK = "********"
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclass(frozen=True)
class Setting:
    """One key, such as `engine.url`.

    Attributes:
        variable: its environment variable.
        members: the types that it accepts, without annotations: (str, NoneType).
        allowed: the values that it accepts, in words.
        secret: never printed.
        size: accepts '64 MiB' as well as bytes.
        as_text: accepts an integer, such as YAML reads from -1, and keeps it as text.
        item_secrets, item_paths: if it is a list of structs, their fields that are never printed, and those that name
            a file.
    """

    section: str
    name: str
    variable: str
    description: str
    default: Any
    allowed: str
    members: tuple[Any, ...]
    secret: bool
    size: bool
    as_text: bool = False
    item_secrets: frozenset[str] = frozenset()
    item_paths: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """Its name in the file and in --set."""
        return f"{self.section}.{self.name}"

    @property
    def nullable(self) -> bool:
        """Whether it accepts null."""
        return types.NoneType in self.members

    @property
    def is_path(self) -> bool:
        """Whether it names a file."""
        return Path in self.members

    def parse(self, text: str) -> Any:
        """The value that `text` stands for in a variable or a flag. Damaged for broken YAML.

        A text or path setting takes the text unchanged. Any other text is YAML, and a list may also be written with
        commas.
        """
        content.as_text(text.encode("utf-8", "surrogateescape"))  # a variable and a flag may contain any bytes
        if self.nullable and text in ("", "null"):
            return None
        if self.members[0] in (str, Path):
            return text
        if get_origin(self.members[0]) is tuple and not text.lstrip().startswith("["):
            return [part.strip() for part in text.split(",") if part.strip()]
        return self.normalise(yaml_file.parse(text))

    def normalise(self, value: Any) -> Any:
        """A size such as '64 MiB' in bytes, an integer as text if the setting is text, any other value unchanged."""
        if self.as_text and type(value) is int:
            return str(value)
        if not self.size or not isinstance(value, str):
            return value
        match = re.fullmatch(r"(\d{1,18}(?:\.\d{1,18})?)\s*([a-z]*)", value.strip().lower())
        if match is None or match[2] not in _UNITS:
            return value  # the schema refuses it, with the key and what is allowed
        return int(float(match[1]) * _UNITS[match[2]])

    def masked(self, value: Any) -> Any:
        """The value without secrets: keys, and passwords in URLs, are masked."""
        return MASK if self.secret and value else _masked(value)

    def show(self, value: Any) -> str:
        """The value as one line of YAML, masked; a size in MiB if that is exact."""
        if self.size and isinstance(value, int) and value % MIB == 0:
            return f"{value // MIB} MiB"
        if self.as_text and isinstance(value, str) and re.fullmatch(r"-?\d+", value):
            return value
        return flow(self.masked(value))

    def hides(self, path: str) -> bool:
        """Whether an error must not show the value at `path`, which is this key or a part of its value."""
        own = path.startswith(self.key)
        return own and (self.secret or any(name in path.removeprefix(self.key) for name in self.item_secrets))


def flow(value: Any) -> str:
    """A value as one line of YAML, which can be pasted into the file or after `--set KEY=`."""
    plain = msgspec.to_builtins(value, enc_hook=str)
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def read_struct(section: str, struct: type[msgspec.Struct], prefix: str) -> Iterator[Setting]:
    """Every field of a section's struct as a setting, whose variable begins with `prefix`."""
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        kind = hints[field.name]
        item = _item(kind)
        yield Setting(
            section=section,
            name=field.name,
            variable=f"{prefix}{section}_{field.name}".upper(),
            description=next(meta.description for meta in get_args(kind)[1:] if meta.description),
            default=field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory(),
            allowed=validation.describe(kind),
            members=tuple(_members(kind)),
            secret=_is_secret(kind),
            size=any(extra.get("unit") == "bytes" for extra in _extras(kind)),
            as_text=any(extra.get("as_text") for extra in _extras(kind)),
            item_secrets=frozenset(name for name, hint in item.items() if _is_secret(hint)),
            item_paths=frozenset(name for name, hint in item.items() if Path in _members(hint)),
        )


def _masked(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_masked(item) for item in value)
    if isinstance(value, msgspec.Struct):
        hints = get_type_hints(type(value), include_extras=True)
        parts = {name: getattr(value, name) for name in value.__struct_fields__}
        shown = {name: MASK if part and _is_secret(hints[name]) else _masked(part) for name, part in parts.items()}
        return msgspec.structs.replace(value, **shown)
    return re.sub(r"//\S*@", f"//{MASK}@", value) if isinstance(value, str) else value


def _item(kind: Any) -> dict[str, Any]:
    """If `kind` is a list of structs, the struct's fields; otherwise {}."""
    lists = [get_args(member)[0] for member in _members(kind) if get_origin(member) is tuple]
    structs = [item for item in lists if isinstance(item, type) and issubclass(item, msgspec.Struct)]
    return get_type_hints(structs[0], include_extras=True) if structs else {}


def _is_secret(kind: Any) -> bool:
    return any(extra.get("secret") for extra in _extras(kind))


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
