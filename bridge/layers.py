"""What the flags of `embed-bridge` give: --set and --listen, and those that choose the engine outright."""

from __future__ import annotations

import argparse
import ipaddress
from typing import Any

from embedstack.bridge.settings import SCHEMA
from embedstack.configuration.layers import ConfigError, Given, Layer, from_assignments


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
