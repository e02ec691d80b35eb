"""From defaults, one YAML file, the environment and flags, weak to strong, to `Settings` and where each came from.

A stronger layer replaces a key as a whole: a list or a mapping is not merged with that of a weaker one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from embedstack.bridge import command_line
from embedstack.bridge.layers import choice_of_engine, from_flags
from embedstack.bridge.settings import SCHEMA
from embedstack.bridge.settings.security import ApiKey
from embedstack.bridge.settings.structs import Settings
from embedstack.configuration import validation
from embedstack.configuration.build import Document, build, sources
from embedstack.configuration.layers import ConfigError, Layer, find_file, from_environment, from_file
from embedstack.configuration.shown import shown
from embedstack.readers import key_file
from embedstack.readers.content import DamagedFile

__all__ = ["Action", "ConfigError", "Loaded", "load"]

Action = Literal["serve", "print-config", "version"]


@dataclass(frozen=True)
class Loaded:
    """The configuration.

    Attributes:
        sources: by key (`engine.url`), where its value came from: `default`, a file, a variable, a flag.
        action: what the command line asks for.
        json: whether --print-config is to be JSON.
        file: the file that was read, if any.
    """

    settings: Settings
    sources: dict[str, str]
    action: Action
    json: bool = False
    file: Path | None = None

    def error(self, key: str, problem: str) -> ConfigError:
        """A ConfigError about a key whose value only proved wrong later, as a name that the catalogue lacks."""
        owner = ".".join(key.split(".")[:2])
        return ConfigError(f"{self.sources.get(owner, 'configuration')}: {key}: {problem}")

    def render(self) -> str:
        """Each key, value and source, for people, or as JSON with `--json`. Secrets are masked."""
        rows = shown(SCHEMA, self.settings, self.sources)
        if self.json:
            told = {row.key: {"value": row.value, "source": row.source} for row in rows}
            return msgspec.json.format(msgspec.json.encode(told)).decode()
        lines = [(f"{row.key}: {row.text}", row.source) for row in rows]
        width = min(max(len(line) for line, _ in lines), 60)
        return "\n".join(f"{line:<{width}}  # {source}" for line, source in lines)


def load(argv: Sequence[str], environ: Mapping[str, str]) -> Loaded:
    """Read the configuration; ConfigError for anything that cannot be used. `--help` prints and exits."""
    flags = command_line.parse(argv)
    file = find_file(SCHEMA, flags.config, environ)
    given = {**from_file(SCHEMA, file), **from_environment(SCHEMA, environ)}
    given |= choice_of_engine(flags, given)
    given |= from_flags(flags)
    settings = _resolve_admin_key(_resolve_keys(build(SCHEMA, given, _name_keys), environ, given), given)
    action: Action = "version" if flags.version else "print-config" if flags.print_config else "serve"
    return Loaded(settings, sources(SCHEMA, given), action, flags.json, file)


def _name_keys(document: Document) -> None:
    """Bare text for an engine is its URL; a key as bare text gets a name to appear under in logs and metrics."""
    upstreams = document.get("pool", {}).get("upstreams")
    if isinstance(upstreams, list):
        document["pool"]["upstreams"] = [{"url": item} if isinstance(item, str) else item for item in upstreams]
    keys = document.get("security", {}).get("api_keys")
    if isinstance(keys, list):
        document["security"]["api_keys"] = [
            {"name": f"key{number}", "key": item} if isinstance(item, str) else item
            for number, item in enumerate(keys, start=1)
        ]


def _resolve_keys(settings: Settings, environ: Mapping[str, str], given: Layer) -> Settings:
    """API keys out of the files and variables that hold them."""
    security = settings.security
    if not security.api_keys:
        return settings
    source = given["security.api_keys"].source
    keys = tuple(_resolve_key(key, environ, f"{source}: security.api_keys: {key.name}") for key in security.api_keys)
    if len({key.name for key in keys}) < len(keys) or len({key.key for key in keys}) < len(keys):
        raise ConfigError(f"{source}: security.api_keys: a name or a key is given twice")
    return msgspec.structs.replace(settings, security=msgspec.structs.replace(security, api_keys=keys))


def _resolve_admin_key(settings: Settings, given: Layer) -> Settings:
    security = settings.security
    if security.admin_key_file is not None:
        where = f"{given['security.admin_key_file'].source}: security.admin_key_file"
        held = _read_key(security.admin_key_file, where)
        with _blaming(where):
            security = msgspec.structs.replace(security, admin_key=held, admin_key_file=None)
    for key in security.api_keys:
        if key.key == security.admin_key and not key.admin:
            where = f"{given['security.api_keys'].source}: security.api_keys: {key.name}"
            raise ConfigError(f"{where}: this is the administrator's key too; give one of them another")
    return msgspec.structs.replace(settings, security=security)


def _resolve_key(key: ApiKey, environ: Mapping[str, str], where: str) -> ApiKey:
    value = key.key
    if key.key_env is not None:
        value = environ.get(key.key_env, "")
    elif key.key_file is not None:
        value = _read_key(key.key_file, where)
        where = f"{where}: {key.key_file}"
    if not value:
        raise ConfigError(f"{where}: {key.key_env} holds no key")
    with _blaming(where):
        return ApiKey(name=key.name, key=value, lane=key.lane, admin=key.admin)


@contextmanager
def _blaming(where: str) -> Iterator[None]:
    """What a struct refuses, once a key is in it, is the fault of the file or variable that held the key."""
    try:
        yield
    except validation.InvalidError as error:
        raise ConfigError(f"{where}: {error.problem}") from error


def _read_key(file: Path, where: str) -> str:
    try:
        return key_file.read(file)
    except OSError as error:
        raise ConfigError(f"{where}: {file} cannot be read: {error.strerror}") from error
    except DamagedFile as error:
        raise ConfigError(f"{where}: {error}") from None
