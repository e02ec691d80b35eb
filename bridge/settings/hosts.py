"""Hosts and origins: as a request names them, and as the configuration allows them. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

ANY = "*"
NULL = "null"
"""The origin of a page in a sandbox and, in most browsers, of a file."""

# `host[:port]` as RFC 9110, 7.2 has it. A zone comes with `%25` (RFC 6874) or with the bare `%` of most clients.
_ZONE = r"(?:%(?:25)?[\w.~-]+)?"
_AUTHORITY = re.compile(
    rf"(?:\[(?P<v6>[0-9a-f:.]+){_ZONE}\]|(?P<name>[^\x00-\x20\x7f\[\]@%:/?#\\,]+))(?::(?P<port>[0-9]{{0,5}}))?",
    re.ASCII | re.IGNORECASE,
)
# As some clients write an IPv6 address, against RFC 3986.
_BARE = re.compile(rf"(?P<v6>[0-9a-f]*:[0-9a-f:.]+){_ZONE}", re.ASCII | re.IGNORECASE)
# An underscore is in no host's name by RFC 952, and in many a container's.
_LABEL = re.compile(r"[a-z0-9_-]{1,63}", re.ASCII)
# WHATWG's URL standard: a name that ends in a number is an address, or nothing at all.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)
_WEB_PORTS = {"http": 80, "https": 443}
_MOST_PORT = 65535
_LONGEST = 300  # of a host with its port; a name has 253 characters at most


@dataclass(frozen=True, slots=True)
class Authority:
    """`host` is lower case: a name without its final dot, or an IP address in its one canonical form, without zone and
    brackets. `port` None: none is given.
    """

    host: str
    port: int | None
    is_literal: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a page comes from, as a browser says it. `host` "": it has none, as `file://`; `null` is a scheme here."""

    scheme: str
    host: str
    port: int | None


def authority(text: str) -> Authority | None:
    """What a Host header, or the part of an origin behind `://`, names; None unless that is a host.

    Only what every reader takes for an address is one. `127.1`, `2130706433`, `0x7f.1` and `127.0.0.1.`, which are an
    address to some and a name to others, are not hosts.
    """
    return _authority(text) if len(text) <= _LONGEST else None


def origin(text: str) -> Origin | None:
    """An Origin header's value; None for what no browser sends."""
    scheme, separator, rest = text.partition("://")
    if not separator and text != NULL:
        return None
    if not rest:
        return Origin(scheme.lower(), "", None)
    at = authority(rest)
    return None if at is None else Origin(scheme.lower(), at.host, at.port)


@lru_cache(maxsize=1024)  # a handful of hosts sends all requests
def _authority(text: str) -> Authority | None:
    found = _AUTHORITY.fullmatch(text) or _BARE.fullmatch(text)
    if found is None:
        return None
    parts = found.groupdict()
    port = int(parts["port"]) if parts.get("port") else None
    if port is not None and port > _MOST_PORT:
        return None
    literal = _literal(parts["v6"] or parts["name"])
    if literal is not None:
        return Authority(literal, port, is_literal=True)
    name = (parts.get("name") or "").lower().removesuffix(".")
    return Authority(name, port, is_literal=False) if name and not _is_numeric(name) else None


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One of `*`, a host, `*.` and a domain (all below it, not itself), or a network of addresses."""

    text: str
    matches: Callable[[str], bool]

    @property
    def is_everybody(self) -> bool:
        """Whether any web page can have such a host."""
        return self.text == ANY


@dataclass(frozen=True, slots=True)
class OriginPattern:
    """`port` None: the scheme's own, which browsers leave out; `*`: any. `scheme` `*`: any."""

    text: str
    scheme: str
    host: HostPattern
    port: int | str | None

    @property
    def is_everybody(self) -> bool:
        """Whether any web page can have such an origin; a page in a sandbox has `null`."""
        return self.scheme in (ANY, NULL) or (self.scheme in _WEB_PORTS and self.host.is_everybody)

    def matches(self, page: Origin) -> bool:
        return (
            self.scheme in (ANY, page.scheme)
            and self.host.matches(page.host)
            and self.port in (ANY, _own_port(page.scheme, page.port))
        )


def host_pattern(text: str) -> HostPattern:
    """A value of security.allowed_hosts. ValueError, with what is wrong and what to write, where it can never match."""
    if "://" in text:
        bare, _ = _without_port(text.partition("://")[2].partition("/")[0])
        raise ValueError(f"no Host has a scheme; write {bare!r}" if bare else "no Host has a scheme; write the host")
    if text != text.strip() or not text:
        raise ValueError("no Host is empty, or begins or ends with a space; write the host alone")
    if (network := _network(text)) is not None:
        return HostPattern(text, network)
    if "/" in text:
        host = text.partition("/")[0]
        if _network(host) is not None:
            raise ValueError(f"it is not a network; write {host} alone, or with its bits, as 192.168.0.0/16")
        raise ValueError(f"no Host has a path; write {host!r}")
    port = re.fullmatch(r"(.+):[0-9*]*", text)
    if port is not None:
        raise ValueError(f"a Host is taken with any port; write {port[1]!r}")
    return _named(text)


def origin_pattern(text: str) -> OriginPattern:
    """A value of security.allowed_origins. ValueError, with what to write, where it can never match."""
    if text in (ANY, NULL):
        return OriginPattern(text, text, HostPattern(ANY, lambda _: True), ANY)
    scheme, separator, rest = text.partition("://")
    scheme, rest = scheme.lower(), rest.removesuffix("/")
    if not separator or not _SCHEME.fullmatch(scheme):
        raise ValueError("write it as SCHEME://HOST[:PORT], as https://chat.example.org or chrome-extension://*")
    if found := re.search(r"[/?#]", rest):
        raise ValueError(f"no browser sends more than scheme, host and port; write {scheme}://{rest[: found.start()]}")
    if not rest and scheme not in _WEB_PORTS:
        return OriginPattern(text, scheme, HostPattern("", "".__eq__), None)
    host, port = _without_port(rest)
    everywhere = port == ANY or rest == ANY
    return OriginPattern(text, scheme, _origin_host(host), ANY if everywhere else _own_port(scheme, _number(port)))


def not_reached_by(url: str) -> str:
    """Why nothing can be asked at an http or https URL, and what to write; "" where something can. Never a password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its port is not a number from 1 to 65535, or a bracket is missing"
    if not host:
        return "it names no host; write http://HOST[:PORT]"
    if port == 0:
        return "nothing listens on port 0; write the port of the service"
    if parts.query or parts.fragment:
        return "a path is put behind it, so that nothing may stand there after a ? or a #"
    return ""


def not_listened_on(host: str) -> str:
    """Why an address cannot be listened on, and what to write; "" where it may be."""
    if _literal(host) is not None:
        return ""
    try:
        _named(host)
    except ValueError:
        pass
    else:
        if ANY not in host:
            return ""
    return f"expected an IP address or a host name alone, as 127.0.0.1, 0.0.0.0 or ::, got {host!r}"


def _own_port(scheme: str, port: int | None) -> int | None:
    return None if port == _WEB_PORTS.get(scheme) else port


def _without_port(text: str) -> tuple[str, str]:
    """Host and port, "" for none, of `host:port` or `[v6]:port`."""
    host, separator, port = text.rpartition(":")
    return (host, port) if separator and not text.endswith("]") else (text, "")


def _number(port: str) -> int | None:
    if port and not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) <= _MOST_PORT):
        raise ValueError("its port is neither a number from 1 to 65535 nor *, for any")
    return int(port) if port else None


def _origin_host(text: str) -> HostPattern:
    """IPv6 needs its brackets here."""
    if ":" in text.strip("[]") and not (text.startswith("[") and text.endswith("]")):
        raise ValueError("an IPv6 address stands in brackets, as http://[fd00::20]")
    literal = _literal(text.strip("[]"))
    return HostPattern(text, literal.__eq__) if literal is not None else _named(text)


def _named(text: str) -> HostPattern:
    if text == ANY:
        return HostPattern(text, lambda _: True)
    name = text.lower().removesuffix(".")
    if not name.isascii():
        raise ValueError(f"browsers and clients send the ASCII form of a name{_punycode(name)}")
    labels = name.removeprefix("*.").split(".")
    if "*" in "".join(labels):
        raise ValueError("a * stands for a whole host, or before the first dot, as *.example.org")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(name) > 253:
        raise ValueError("that is not the name of a host; write it as clients do, as chat.example.org")
    if _is_numeric(name):
        raise ValueError("that is neither a name nor an IP address; write all four numbers in decimal, as 192.168.1.5")
    if name.startswith("*."):
        return HostPattern(text, lambda host: host.endswith(name[1:]) and host != name[1:])
    return HostPattern(text, name.__eq__)


def _is_numeric(name: str) -> bool:
    return _NUMBER.fullmatch(name.rpartition(".")[2]) is not None


def _punycode(name: str) -> str:
    try:
        return f"; write {name.encode('idna').decode('ascii')!r}"
    except UnicodeError:
        return ", as xn--bcher-kva.example"


def _network(text: str) -> Callable[[str], bool] | None:
    """An address, with or without brackets, or a network of them."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        network = ipaddress.ip_network(bare, strict=False)
    except ValueError:
        return None

    def holds(host: str) -> bool:
        literal = _literal(host)
        return literal is not None and ipaddress.ip_address(literal) in network

    return holds


def _literal(text: str) -> str | None:
    """An IP address in its canonical form, without its zone; None where `text` is none."""
    try:
        return str(ipaddress.ip_address(text)).partition("%")[0]
    except ValueError:
        return None
