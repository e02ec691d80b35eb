"""From defaults, one YAML file, the environment and the flags of `embed-bridge`, weak to strong, to `Settings` and
where each came from.

A stronger layer replaces a key as a whole: a list or a mapping is not merged with that of a weaker one.
"""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import msgspec

from embedstack.bridge.settings import ENV_PREFIX, FILE_NAME, SCHEMA
from embedstack.bridge.settings.security import ApiKey
from embedstack.bridge.settings.structs import Settings
from embedstack.configuration import validation
from embedstack.configuration.build import Document, build, sources
from embedstack.configuration.layers import (
    ConfigError,
    Given,
    Layer,
    find_file,
    from_assignments,
    from_environment,
    from_file,
)
from embedstack.configuration.reference import shown
from embedstack.readers import content
from embedstack.readers.content import DamagedFile


def from_flags(flags: argparse.Namespace) -> Layer:
    """--set and --listen; ConfigError for an unknown key and for what is not KEY=VALUE or HOST:PORT."""
    layer = from_assignments(SCHEMA, flags.set)
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
    cleared: dict[str, Any] = dict.fromkeys(["engine.url", "engine.gguf", "engine.model", "engine.tokenizer"])
    if "pool.upstreams" in weaker:
        cleared["pool.upstreams"] = []
    if "engine.url" in weaker or "pool.upstreams" in weaker:
        cleared["engine.api_key"] = None  # it belongs to those URLs and must not be sent to another
    return {key: Given(value, source) for key, value in {**cleared, **chosen}.items()}


def split_host(authority: str) -> tuple[str, str]:
    """Host and port of `host:port`, `[v6]:port`, `:port`, a bare host or v6 address; port "" when none is given."""
    try:
        return str(ipaddress.ip_address(authority.strip("[]"))), ""
    except ValueError:
        host, separator, port = authority.rpartition(":")
        return (host.strip("[]"), port) if separator else (authority, "")


_EPILOG = f"""\
examples:
  embed-bridge --demo                                    try it: no model and no engine needed
  embed-bridge --gguf Qwen3-Embedding-4B-Q4_K_M.gguf     llama.cpp inside the bridge
  embed-bridge --upstream http://localhost:11434         in front of Ollama, vLLM or llama-server
  embed-bridge --set model.precision=Q8_0 --print-config

Every other setting: --set KEY=VALUE, {ENV_PREFIX}SECTION_KEY in the environment, or {FILE_NAME};
--print-config lists the keys, embed-bridge.example.yaml and docs/configuration.md explain them.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} --help")


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The flags; ConfigError for one that is not known or not complete. `--help` prints and exits."""
    flags = _parser().parse_args(argv)
    if flags.json and not flags.print_config:
        raise ConfigError("--json: goes with --print-config")
    return flags


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="embed-bridge",
        description="The right Qwen3 embeddings, on Ollama's and OpenAI's API.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    engine = parser.add_mutually_exclusive_group()
    engine.add_argument("--demo", action="store_true", help="the embedded engine with the stand-in model `demo`")
    engine.add_argument("--gguf", metavar="PATH", help="the embedded engine with this model file")
    engine.add_argument("--upstream", metavar="URL", help="an Ollama, vLLM or llama-server that is running")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where to listen (default: 127.0.0.1:11435)")
    parser.add_argument(
        "--config", metavar="FILE", help=f"configuration file (default: ./{FILE_NAME}, then the user's)"
    )
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="any setting; may be repeated")
    parser.add_argument("--print-config", action="store_true", help="show each setting, its value and its source")
    parser.add_argument("--json", action="store_true", help="with --print-config: as JSON")
    parser.add_argument("--version", action="store_true", help="show the version")
    return parser


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
            fields = {row.key: {"value": row.value, "source": row.source} for row in rows}
            return msgspec.json.format(msgspec.json.encode(fields)).decode()
        lines = [(f"{row.key}: {row.text}", row.source) for row in rows]
        width = min(max(len(line) for line, _ in lines), 60)
        return "\n".join(f"{line:<{width}}  # {source}" for line, source in lines)


def load(argv: Sequence[str], environ: Mapping[str, str]) -> Loaded:
    """Read the configuration; ConfigError for anything that cannot be used. `--help` prints and exits."""
    flags = parse_arguments(argv)
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
        return content.read_key(file)
    except OSError as error:
        raise ConfigError(f"{where}: {file} cannot be read: {error.strerror}") from error
    except DamagedFile as error:
        raise ConfigError(f"{where}: {error}") from None
