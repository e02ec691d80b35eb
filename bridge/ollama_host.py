"""Where an Ollama is, from OLLAMA_HOST. Pure."""

import ipaddress
from collections.abc import Mapping

_PORTS = {"": 11434, "http": 80, "https": 443}
_ALL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- connected to, not bound


def ollama_url(environ: Mapping[str, str]) -> str:
    """OLLAMA_HOST as a URL to connect to, read as Ollama itself reads it (envconfig.Host).

    Without a port, or with an impossible one, the port is 11434, or the scheme's own where a scheme is given. An
    address that means "all" when listening means loopback when connecting.
    """
    value = environ.get("OLLAMA_HOST", "").strip().strip("\"'").strip()
    scheme, _, rest = value.rpartition("://")
    authority, slash, path = rest.partition("/")
    host, port = split_host(authority)
    number = int(port) if port.isascii() and port.isdigit() and int(port) <= 65535 else _PORTS.get(scheme, 11434)
    host = _ALL.get(host, host)
    bracketed = f"[{host}]" if ":" in host else host
    return f"{scheme or 'http'}://{bracketed}:{number}{(slash + path).rstrip('/')}"


def split_host(authority: str) -> tuple[str, str]:
    """Host and port of `host:port`, `[v6]:port`, `:port`, a bare host or v6 address; port "" when none is given."""
    try:
        return str(ipaddress.ip_address(authority.strip("[]"))), ""
    except ValueError:
        host, separator, port = authority.rpartition(":")
        return (host.strip("[]"), port) if separator else (authority, "")
