"""Where the Ollama is that is meant. Pure."""

from collections.abc import Mapping
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
USUAL = 11434
EVERY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- connected to, not bound


def address(named: str | None, environ: Mapping[str, str], port: int) -> str:
    """engine.url where it is `named`, else OLLAMA_HOST, else this machine's at `port`."""
    return (named or from_environment(environ) or f"http://127.0.0.1:{port}").rstrip("/")


def from_environment(environ: Mapping[str, str]) -> str | None:
    """OLLAMA_HOST as a URL, read as Ollama does (envconfig.Host); None where it is not set.

    An address that means "all" when listening means loopback when connecting. A port that is none is the usual one.
    """
    value = environ.get("OLLAMA_HOST", "").strip().strip("\"'")
    if not value:
        return None
    scheme, _, rest = value.rpartition("://")
    bare = rest.rstrip("/")
    v6 = bare.count(":") > 1 and not bare.startswith("[")
    parts = urlsplit(f"//[{bare}]" if v6 else f"//{bare}")
    host = EVERY.get(parts.hostname or "", parts.hostname or "")
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme or 'http'}://{shown}:{_port(parts.netloc) or PORTS.get(scheme, USUAL)}{parts.path}"


def _port(netloc: str) -> int | None:
    text = netloc.rpartition("]")[2].rpartition(":")[2] if ":" in netloc.rpartition("]")[2] else ""
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 65536 else None
