"""What each layer gives: one YAML file, the environment, assignments. Values as written, each with its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

import platformdirs

from embedstack.configuration import validation
from embedstack.configuration.schema import Schema
from embedstack.configuration.setting import Setting
from embedstack.readers import yaml_file
from embedstack.readers.content import Damaged, DamagedFile

AnySchema = Schema[Any]


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names file, variable or flag, key, value and what is allowed."""


class Given(NamedTuple):
    """A value, as it was given, and where: a file, a variable, a flag."""

    value: Any
    source: str


Layer = dict[str, Given]


def find_file(schema: AnySchema, flag: str | None, environ: Mapping[str, str], cwd: Path = Path()) -> Path | None:
    """The file named by flag or variable, which must exist, else the first of the usual ones that does. ConfigError."""
    for named, source in ((flag, "--config"), (environ.get(schema.file_variable), schema.file_variable)):
        if named:
            path = cwd / _expanded(named, source)
            if not _is_there(path):
                raise ConfigError(f"{source}: no such file: {path}")
            return path
    return next((path for path in (cwd / schema.file_name, user_file(schema)) if _is_there(path)), None)


def user_file(schema: AnySchema) -> Path:
    """The user's own, which is read from every folder."""
    return Path(platformdirs.user_config_dir("embedstack")) / schema.file_name


def _is_there(path: Path) -> bool:
    """Whether anything has that name; a link that leads nowhere would otherwise be passed over in silence."""
    try:
        there = path.exists()
    except OSError as error:  # a folder above it that we may not enter
        raise ConfigError(f"{path}: it cannot be read: {error.strerror}") from error
    if not there and path.is_symlink():
        raise ConfigError(f"{path}: it is a link, and what it leads to is not there")
    return there


def _expanded(named: str, source: str) -> Path:
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{source}: {named}: there is no such user's folder") from error


def from_file(schema: AnySchema, path: Path | None) -> Layer:
    """Every setting that the file makes; ConfigError for a file that cannot be read and for an unknown key."""
    if path is None:
        return {}
    try:
        return _layer(schema, yaml_file.read(path), path)
    except OSError as error:
        raise ConfigError(f"{path}: it cannot be read: {error.strerror}") from error
    except DamagedFile as error:
        raise ConfigError(str(error)) from error


def from_text(schema: AnySchema, text: str, path: Path) -> Layer:
    """The same for the text of a file that lies, or is to lie, at `path`."""
    try:
        return _layer(schema, yaml_file.parse(text), path)
    except Damaged as error:
        raise ConfigError(f"{path}: {error}") from error


def _layer(schema: AnySchema, document: Any, path: Path) -> Layer:
    rows = _rows(schema, {} if document is None else document, path)
    return {row.key: Given(_beside(path, row, value), str(path)) for row, value in rows}


def from_environment(schema: AnySchema, environ: Mapping[str, str]) -> Layer:
    """Every setting in a variable with the prefix; ConfigError for a variable that is not a setting."""
    rows = {row.variable: row for row in schema.table.values()}
    layer: Layer = {}
    for name in sorted(environ):
        if schema.foreign(name):
            continue
        if name not in rows:
            known = [*rows, schema.file_variable, *sorted(schema.reserved)]
            raise ConfigError(f"{name}: no such setting{validation.did_you_mean(name, known)}")
        layer[rows[name].key] = Given(parse(rows[name], environ[name], name), name)
    return layer


def from_assignments(schema: AnySchema, assignments: Iterable[str], source: str = "--set") -> Layer:
    """KEY=VALUE, each; ConfigError for an unknown key and for what is not KEY=VALUE."""
    layer: Layer = {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise ConfigError(f"{source}: expected KEY=VALUE, got {assignment!r}")
        layer[key] = Given(parse(find(schema, key, source), text, source), source)
    return layer


def find(schema: AnySchema, key: str, source: str) -> Setting:
    """The setting of that key; ConfigError where there is none."""
    if key not in schema.table:
        raise ConfigError(f"{source}: {key}: no such setting{validation.did_you_mean(key, schema.table)}")
    return schema.table[key]


def parse(row: Setting, text: str, source: str) -> Any:
    """The value that a text stands for; ConfigError for broken YAML, which never shows a secret."""
    try:
        return row.parse(text)
    except Damaged as error:
        got = "" if row.secret or row.item_secrets else f", got {validation.show(text)}"
        raise ConfigError(f"{source}: {row.key}: expected {row.allowed}{got}") from error


def _rows(schema: AnySchema, document: Any, path: Path) -> Iterator[tuple[Setting, Any]]:
    """Every setting of a file and its value as written."""
    sections = schema.sections
    if not isinstance(document, dict):
        example = next(iter(sections))
        raise ConfigError(f"{path}: expected sections, as `{example}:`, got {validation.show(document)}")
    for section, keys in document.items():
        if section not in sections:
            raise ConfigError(f"{path}: {section}: unknown section{validation.did_you_mean(str(section), sections)}")
        if not isinstance(keys, dict | NoneType):
            raise ConfigError(f"{path}: {section}: expected keys below it, got {validation.show(keys)}")
        for name, value in (keys or {}).items():
            key = validation.join(section, str(name))
            if key not in schema.table:
                known = [row.key for row in schema.table.values() if row.section == section]
                raise ConfigError(f"{path}: {key}: unknown key{validation.did_you_mean(key, known)}")
            yield schema.table[key], value


def _beside(file: Path, row: Setting, value: Any) -> Any:
    """A relative path in a file is relative to that file, wherever the program was started."""
    if row.is_path and isinstance(value, str) and value:
        return _from(file.parent, value)
    if isinstance(value, list):
        return [_item_beside(file, row, item) for item in value]
    return value


def _item_beside(file: Path, row: Setting, item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    paths = {name: item[name] for name in row.item_paths if isinstance(item.get(name), str)}
    return {**item, **{name: _from(file.parent, path) for name, path in paths.items()}}


def _from(folder: Path, path: str) -> str:
    """`~nobody/x` stays as it is: what the path is for refuses it."""
    with suppress(RuntimeError):
        return str(folder / Path(path).expanduser())
    return path
