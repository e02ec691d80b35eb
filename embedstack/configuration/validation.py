"""Converts plain values to frozen structs, with errors that name the key, what was expected and what was found.

msgspec does the conversion. If it refuses, the value is walked again, because msgspec's own message shows a mapping's
key as `[...]`, never shows the value, and cannot suggest the intended key.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

T = TypeVar("T")
DecHook = Callable[[type, Any], Any]


class InvalidError(ValueError):
    """A value that the schema refuses. A struct's `__post_init__` may raise it with a path relative to the struct.

    Attributes:
        path: where, such as `engine.timeout` or `models.demo.files[0].sha256`; "" for the whole document.
        problem: what is wrong, with the value and what is allowed.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


def convert(raw: Any, kind: type[T], dec_hook: DecHook | None = None) -> T:
    """`raw` (mappings, lists, scalars) as a `kind`. InvalidError, which names the first invalid key."""
    try:
        return msgspec.convert(raw, kind, dec_hook=dec_hook)
    except msgspec.ValidationError as error:
        _check(raw, kind, "", dec_hook)
        raise InvalidError("", str(error)) from error


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` with the nearest known name, or a list of all of them."""
    names = list(known)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else f"; known here: {', '.join(names)}"


def describe(kind: Any) -> str:
    """What a type accepts, in words: `an integer from 1 to 65535`, `'text' or 'json'`, `a path or null`.

    `Meta(extra={"allowed": ...})` on the type overrides the description made from its name and bounds.
    """
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _described(args[0], args[1:])
    if origin in (Union, types.UnionType):
        return _either([word for member in args for word in _words(member)])
    if origin is Literal:
        return _either(_words(kind))
    if origin in (list, tuple):
        return f"a list, each {describe(args[0])}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"a mapping with {', '.join(kind.__struct_encode_fields__)}"
    return _WORDS.get(origin or kind, str(kind))


_WORDS: dict[Any, str] = {
    bool: "true or false",
    dict: "a mapping",
    float: "a number",
    int: "an integer",
    str: "text",
    Path: "a path",
    types.NoneType: "null",
}


def _described(kind: Any, metas: Sequence[msgspec.Meta]) -> str:
    said = [meta.extra["allowed"] for meta in metas if meta.extra and "allowed" in meta.extra]
    bounds = [(meta.ge, meta.le) for meta in metas if meta.ge is not None or meta.le is not None]
    if said:
        return str(said[0])
    if not bounds:
        return describe(kind)
    least, most = bounds[0]
    return f"{describe(kind)} from {least}" + ("" if most is None else f" to {most}")


def _words(kind: Any) -> list[str]:
    return [repr(value) for value in get_args(kind)] if get_origin(kind) is Literal else [describe(kind)]


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _check(raw: Any, kind: Any, path: str, hook: DecHook | None) -> None:
    """Raise InvalidError for the innermost part of `raw` that its part of `kind` refuses."""
    shape = _shape(kind, raw)
    origin, args = get_origin(shape), get_args(shape)
    if isinstance(raw, Mapping) and isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        _check_struct(raw, shape, path, hook)
    elif isinstance(raw, Mapping) and origin is dict:
        for key, value in raw.items():
            _check(value, args[1], join(path, str(key)), hook)
    elif isinstance(raw, list) and origin in (list, tuple):
        for index, value in enumerate(raw):
            _check(value, args[0], f"{path}[{index}]", hook)
    try:
        msgspec.convert(raw, kind, dec_hook=hook)
    except msgspec.ValidationError as error:
        if isinstance(own := error.__cause__, InvalidError):  # raised by a struct's __post_init__, with the field
            raise InvalidError(join(path, own.path), own.problem) from error
        raise InvalidError(path, _problem(raw, kind, shape, error)) from error


def _check_struct(raw: Mapping[str, Any], kind: type[msgspec.Struct], path: str, hook: DecHook | None) -> None:
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        if key not in fields:
            raise InvalidError(join(path, str(key)), f"unknown key{did_you_mean(str(key), fields)}")
        _check(value, hints[fields[key].name], join(path, key), hook)
    for key, field in fields.items():
        if field.required and key not in raw:
            raise InvalidError(join(path, key), f"missing; expected {describe(hints[field.name])}")


def _problem(raw: Any, kind: Any, shape: Any, error: msgspec.ValidationError) -> str:
    if isinstance(raw, Mapping) and isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return str(error).rpartition(" - at ")[0] or str(error)  # every field is valid, so its __post_init__ refused
    return f"expected {describe(kind)}, got {show(raw)}"


def _shape(kind: Any, raw: Any) -> Any:
    """`X` for `Annotated[X, ...]`; for a union, the member that is a container like `raw`."""
    if get_origin(kind) is Annotated:
        return _shape(get_args(kind)[0], raw)
    if get_origin(kind) in (Union, types.UnionType):
        shapes = [_shape(member, raw) for member in get_args(kind)]
        return next((shape for shape in shapes if _contains(shape, raw)), kind)
    return kind


def _contains(shape: Any, raw: Any) -> bool:
    if isinstance(raw, Mapping):
        return get_origin(shape) is dict or (isinstance(shape, type) and issubclass(shape, msgspec.Struct))
    return isinstance(raw, list) and get_origin(shape) in (list, tuple)


def join(path: str, key: str) -> str:
    """`engine` and `url` as `engine.url`; without a dot if one of them is empty."""
    return f"{path}.{key}" if path and key else path or key


def show(raw: Any) -> str:
    """A value as a person would write it, shortened if it is long."""
    words = {None: "null", True: "true", False: "false"}
    text = words[raw] if raw is None or isinstance(raw, bool) else repr(raw)
    return text if len(text) <= 100 else f"{text[:97]}..."
