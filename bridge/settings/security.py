"""The settings of who may ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from embedstack.bridge.settings import hosts
from embedstack.bridge.settings.hosts import HostPattern, OriginPattern
from embedstack.bridge.settings.values import HostName, Name, Origin, Secret, check_key
from embedstack.configuration.validation import InvalidError

T = TypeVar("T")


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key that a client may send; one of `key`, `key_file` and `key_env`, and after loading `key` holds it."""

    name: Name
    lane: Literal["interactive", "bulk"] | None = None
    admin: bool = False
    key: Secret | None = None
    key_file: Path | None = None
    key_env: str | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("key", "key_file", "key_env") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"'{self.name}' needs one of key, key_file, key_env; it has {' and '.join(given) or 'none'}"
            )
        check_key("key", self.key)


class Security(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may ask."""

    api_keys: Annotated[
        tuple[ApiKey, ...],
        Meta(
            extra={
                "secret": True,
                "allowed": "a list of keys, each text or {name, key, lane, admin}; key_file or key_env in place of key",
            },
            description="Keys of which a request must bring one, as Bearer token. Empty: none is asked for. "
            "`lane: interactive` lets all that comes with a key go first; `admin: true` opens the admin routes.",
        ),
    ] = ()
    admin_key: Annotated[
        Secret | None,
        Meta(
            description="A key that opens the admin routes; with it, being on this machine opens them no more. "
            "null: none, or that of admin_key_file."
        ),
    ] = None
    admin_key_file: Annotated[Path | None, Meta(description="A file that holds admin_key.")] = None
    allowed_hosts: Annotated[
        tuple[HostName, ...],
        Meta(
            description="Host names accepted besides localhost, IP addresses, this machine's own name and those by "
            "which containers call it (against DNS rebinding). *.example.org: all below it. "
            "*: any, with api_keys alone."
        ),
    ] = ()
    allowed_origins: Annotated[
        tuple[Origin, ...],
        Meta(
            description="Origins of web pages that may call the bridge besides those on this machine, as "
            "https://chat.example.org, https://*.example.org, http://10.0.0.5:* or chrome-extension://*. "
            "*, http://* or https://*: any page, with api_keys alone."
        ),
    ] = ()

    def __post_init__(self) -> None:
        if self.admin_key and self.admin_key_file:
            raise ValueError("admin_key and admin_key_file are both set; remove one of them")
        check_key("admin_key", self.admin_key)
        _check_everybody("allowed_hosts", self.host_patterns, self.api_keys)
        _check_everybody("allowed_origins", self.origin_patterns, self.api_keys)

    @property
    def host_patterns(self) -> tuple[HostPattern, ...]:
        """`allowed_hosts`, to be held against a Host header. InvalidError."""
        return _each("allowed_hosts", self.allowed_hosts, hosts.host_pattern)

    @property
    def origin_patterns(self) -> tuple[OriginPattern, ...]:
        """`allowed_origins`, to be held against an Origin header. InvalidError."""
        return _each("allowed_origins", self.allowed_origins, hosts.origin_pattern)


def _each(key: str, values: tuple[str, ...], pattern: Callable[[str], T]) -> tuple[T, ...]:
    """A pattern of each value. InvalidError, with its place, for one that could never match."""
    made = []
    for index, value in enumerate(values):
        try:
            made.append(pattern(value))
        except ValueError as error:
            raise InvalidError(f"{key}[{index}]", f"{value!r} can never match: {error}") from error
    return tuple(made)


def _check_everybody(key: str, patterns: Sequence[HostPattern | OriginPattern], api_keys: tuple[ApiKey, ...]) -> None:
    """What lets every page in wants keys, which pages do not have. InvalidError."""
    for index, pattern in enumerate(patterns):
        if pattern.is_everybody and not api_keys:
            raise InvalidError(
                f"{key}[{index}]",
                f"{pattern.text!r} lets any web page in; set security.api_keys too, or name those that may",
            )
