"""Where an Ollama is, from OLLAMA_HOST, read as Ollama itself reads it (envconfig.Host and ConnectableHost). Pure.

What a version of Ollama does that others do otherwise, known to the toolkit and to the bridge alike. Pure.

0.12 brought its own engine for qwen3-embedding, 0.30 gave it up for llama.cpp's server, which is what is tested here.
Nothing was released between 0.24 and 0.30.
"""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import quote

from embedstack.configuration.layers import ConfigError

USUAL = "http://127.0.0.1:11434"
_PORT, _PORTS = 11434, {"http": 80, "https": 443}
_MOST_PORT = 65535
_HOSTED = "ollama.com"
# net.SplitHostPort of Go: anything else has no port, and is a host as a whole.
_BRACKETED = re.compile(r"\[([^\[\]]*)\]:([^:\[\]]*)")
_PLAIN = re.compile(r"([^:\[\]]*):([^:\[\]]*)")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def ollama_url(environ: Mapping[str, str]) -> str | None:
    """OLLAMA_HOST as a URL to connect to; None where it says nothing.

    Without a port, or with an impossible one, it is 11434, or the scheme's own where a scheme is given. An address that
    means "all" when listening means loopback when connecting. ConfigError for what Ollama's own client connects to
    nothing by: a user's name, a scheme other than http and https, what is not a host.
    """
    value = environ.get("OLLAMA_HOST", "").strip().strip("\"'").strip()
    if not value:
        return None
    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest = ("https", f"{_HOSTED}:443") if value == _HOSTED else ("http", value)
    authority, _, path = rest.partition("/")
    host, port = _split(authority)
    # 11434 for `HTTP://host` too: Ollama compares the scheme as it is written.
    usual = _PORTS.get(scheme, _PORT) if separator else _PORT
    try:
        address = f"{_connectable(host)}:{_number(port, usual)}"
    except ValueError as error:
        raise _unusable(value) from error
    if scheme.lower() not in _PORTS:
        raise _unusable(value)
    folders = "".join(f"/{quote(part, safe='$&+,:;=@~')}" for part in path.split("/") if part)
    return f"{scheme.lower()}://{address}{folders}"


def _split(authority: str) -> tuple[str, str]:
    """Host and port, "" where none is given."""
    if found := _BRACKETED.fullmatch(authority) or _PLAIN.fullmatch(authority):
        return found[1], found[2]
    return authority.strip("[]") if _ip(authority.strip("[]")) else authority, ""


def _number(port: str, usual: int) -> int:
    digits = port.lstrip("0") or port[:1]
    usable = digits.isascii() and digits.isdigit() and len(digits) <= len(str(_MOST_PORT)) and int(digits) <= _MOST_PORT
    return int(digits) if usable else usual


def _connectable(host: str) -> str:
    """As it stands in a URL. ValueError, UnicodeError."""
    if ip := _ip(host):
        mapped = getattr(ip, "ipv4_mapped", None) or ip
        if mapped.is_unspecified:
            return "127.0.0.1" if mapped.version == 4 else "[::1]"
        return host if ip.version == 4 else f"[{host}]"
    name = host if host.isascii() else host.encode("idna").decode("ascii")
    if name and not _NAME.fullmatch(name):
        raise ValueError(host)
    return name or "127.0.0.1"


def _ip(text: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address | None":
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _unusable(value: str) -> ConfigError:
    """Before the last @ stands who asks, and with what password."""
    before, at, after = value.rpartition("@")
    shown = f"…@{after}" if at and before else value
    return ConfigError(
        f"OLLAMA_HOST: expected HOST, HOST:PORT or http(s)://HOST[:PORT][/PATH] without a user's name, got {shown!r}, "
        "by which Ollama's own programs reach nothing either"
    )


OLDEST, TESTED = (0, 12), (0, 30)
PROBE = "a"
"""One token and the end of text: tells what is counted where the version does not."""


def parse_version(text: str) -> tuple[int, int, int] | None:
    """`0.34.4`, `v0.33.0-rc2` as numbers; None for any other text."""
    found = re.match(r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?![\d.])", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def from_source(text: str) -> bool:
    """Whether it names no version (0.0.0), as a build from source does."""
    return parse_version(text) in (None, (0, 0, 0))


def uncounted(text: str) -> int | None:
    """Tokens of each text that `prompt_eval_count` leaves out: before 0.30 the end of text, which is embedded all the
    same (0.12.6, run: cosine 1.0 with the right vectors). None where the version does not tell: see `uncounted_by`.
    """
    version = parse_version(text)
    if version is None or from_source(text):
        return None
    return 1 if version < TESTED else 0


def uncounted_by(count: int | None) -> int:
    """The same by what was counted of PROBE."""
    return 1 if count == 1 else 0
