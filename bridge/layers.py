"""What each layer gives: one YAML file, the environment, flags. Values as written, each with its source."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

import platformdirs

from bridge.ollama_host import split_host
from bridge.settings_table import ENV_PREFIX, Setting, sections, table
from modelfiles import validation

FILE_NAME = "embed-bridge.yaml"
FILE_VARIABLE = f"{ENV_PREFIX}CONFIG"

# Kubernetes gives every pod variables for the Services around it; these are those of a Service `embed-bridge`.
_SERVICE_LINK = re.compile(rf"{ENV_PREFIX}(SERVICE_(HOST|PORT\w*)|PORT(_\d+_\w+)?)")


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names file, variable or flag, key, value and what is allowed."""


class Given(NamedTuple):
    """A value, as it was given, and where: a file, a variable, a flag."""

    value: Any
    source: str


Layer = dict[str, Given]


def find_file(flag: str | None, environ: Mapping[str, str]) -> Path | None:
    """The file named by flag or variable, which must exist, else the first of the usual ones that does."""
    for named, source in ((flag, "--config"), (environ.get(FILE_VARIABLE), FILE_VARIABLE)):
        if named:
            path = Path(named).expanduser()
            if not path.is_file():
                raise ConfigError(f"{source}: no such file: {path}")
            return path
    usual = (Path(FILE_NAME), Path(platformdirs.user_config_dir("embedstack")) / FILE_NAME)
    return next((path for path in usual if path.is_file()), None)


def from_file(path: Path | None) -> Layer:
    """Every setting that the file makes; ConfigError for a file that cannot be read and for an unknown key."""
    if path is None:
        return {}
    try:
        document = validation.parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, validation.InvalidError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return {
        row.key: Given(_beside(path, row, value), str(path))
        for row, value in _rows({} if document is None else document, path)
    }


def _rows(document: Any, path: Path) -> Iterator[tuple[Setting, Any]]:
    """Every setting of a file and its value as written."""
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected sections, as `engine:`, got {validation.show(document)}")
    for section, keys in document.items():
        if section not in sections():
            raise ConfigError(f"{path}: {section}: unknown section{validation.did_you_mean(str(section), sections())}")
        if not isinstance(keys, dict | NoneType):
            raise ConfigError(f"{path}: {section}: expected keys below it, got {validation.show(keys)}")
        for name, value in (keys or {}).items():
            key = validation.join(section, str(name))
            if key not in table():
                known = [row.key for row in table().values() if row.section == section]
                raise ConfigError(f"{path}: {key}: unknown key{validation.did_you_mean(key, known)}")
            yield table()[key], value


def _beside(file: Path, setting: Setting, value: Any) -> Any:
    """A relative path in a file is relative to that file, wherever the bridge was started."""
    if setting.is_path and isinstance(value, str) and value:
        return str(file.parent / Path(value).expanduser())
    if isinstance(value, list):
        return [_item_beside(file, item) for item in value]
    return value


def _item_beside(file: Path, item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    paths = {name: item[name] for name in ("key_file", "tokenizer") if isinstance(item.get(name), str)}
    return {**item, **{name: str(file.parent / Path(path).expanduser()) for name, path in paths.items()}}


def from_environment(environ: Mapping[str, str]) -> Layer:
    """Every setting in an EMBED_BRIDGE_ variable; ConfigError for a variable that is no setting."""
    rows = {row.variable: row for row in table().values()}
    layer: Layer = {}
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or name == FILE_VARIABLE or _SERVICE_LINK.fullmatch(name):
            continue
        if name not in rows:
            raise ConfigError(f"{name}: no such setting{validation.did_you_mean(name, [*rows, FILE_VARIABLE])}")
        layer[rows[name].key] = Given(_parse(rows[name], environ[name], name), name)
    return layer


def from_flags(flags: argparse.Namespace) -> Layer:
    """--set and --listen; ConfigError for an unknown key and for what is not KEY=VALUE or HOST:PORT."""
    layer: Layer = {}
    for assignment in flags.set:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise ConfigError(f"--set: expected KEY=VALUE, got {assignment!r}")
        if key not in table():
            raise ConfigError(f"--set: {key}: no such setting{validation.did_you_mean(key, table())}")
        layer[key] = Given(_parse(table()[key], text, "--set"), "--set")
    if flags.listen is not None:
        host, port = split_host(flags.listen)
        if not port.isdigit():
            raise ConfigError(f"--listen: expected HOST:PORT, got {flags.listen!r}")
        layer["listen.host"] = Given(host or "0.0.0.0", "--listen")  # noqa: S104 -- `:8080` asks for it
        layer["listen.port"] = Given(int(port), "--listen")
    return layer


def choice_of_engine(flags: argparse.Namespace, weaker: Layer) -> Layer:
    """--demo, --gguf and --upstream choose the engine outright: what weaker layers said of it no longer counts."""
    chosen: dict[str, Any]
    if flags.demo:
        chosen, source = {"engine.kind": "embedded", "model.id": "demo", "model.precision": None}, "--demo"
    elif flags.gguf is not None:
        chosen, source = {"engine.kind": "embedded", "engine.gguf": flags.gguf}, "--gguf"
    elif flags.upstream is not None:
        chosen, source = {"engine.kind": None, "engine.url": flags.upstream}, "--upstream"
    else:
        return {}
    cleared = dict.fromkeys(["engine.url", "engine.gguf", "engine.model", "engine.tokenizer"])
    if "engine.url" in weaker:
        cleared["engine.api_key"] = None  # it belongs to that URL and must not be sent to another
    return {key: Given(value, source) for key, value in {**cleared, **chosen}.items()}


def _parse(row: Setting, text: str, source: str) -> Any:
    try:
        return row.parse(text)
    except validation.InvalidError as error:
        got = "" if row.secret else f", got {text!r}"
        raise ConfigError(f"{source}: {row.key}: expected {row.allowed}{got}") from error
