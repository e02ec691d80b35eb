"""Who may ask at all: Host, Origin and key, before any route; and the path as clients really send it."""

import ipaddress
import logging
import re
import socket
import time
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.api import keys
from bridge.api.answers import error_answer
from bridge.api.request import FirstHeaders
from bridge.errors import BridgeError, Forbidden, Unauthorized, shown
from bridge.settings import ApiKey, Security
from bridge.telemetry import Telemetry

log = logging.getLogger("bridge.access")

_SLASHES = re.compile("//+")
# Probes of orchestrators carry no key, and tell nothing that a key would protect.
_OPEN_PATHS = frozenset({"/", "/healthz", "/readyz"})
_CORS = {"Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS", "Access-Control-Max-Age": "86400"}
# Spares almost every request the parsing of an address.
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EXPOSED = (
    "X-Embed-Error, X-Embed-Truncated, X-Embed-Ignored, X-Embed-Cache, X-Embed-Fingerprint, Server-Timing, Retry-After"
)


class Guard:
    """ASGI middleware around the routes; also measures each request, since nothing else sees them all."""

    def __init__(self, app: ASGIApp, security: Security, telemetry: Telemetry, paths: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in (*security.allowed_hosts, *_own_names()))
        self._origins = frozenset(origin.rstrip("/").lower() for origin in security.allowed_origins)
        self._keys = keys.accepted(security)
        self._telemetry = telemetry
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = _SLASHES.sub("/", scope["path"])
        path = path if path == "/" else path.rstrip("/")
        scope = {**scope, "path": path}
        headers = FirstHeaders(scope)
        origin = headers.get("origin")
        measured = _Measured(send, self._cors(origin))
        started = time.perf_counter()
        try:
            answer = self._refusal(scope, headers, origin)
            await (answer or self._app)(scope, receive, measured)
        finally:
            seconds = time.perf_counter() - started
            label = path if path in self._paths else "other"
            self._telemetry.observe_request(label, measured.status, seconds)
            refused = measured.status >= 400 and path not in _OPEN_PATHS
            level = logging.INFO if refused else logging.DEBUG
            if log.isEnabledFor(level):
                log.log(level, "%s %s %d %.1f ms", scope["method"], _printable(path), measured.status, seconds * 1000)

    def _refusal(self, scope: Scope, headers: Headers, origin: str | None) -> Response | None:
        """What is answered instead of passing the request on: an error, or a preflight's permission."""
        try:
            self._check_host(scope, headers.get("host", ""))
            self._check_origin(origin)
            if origin and scope["method"] == "OPTIONS":
                return Response(status_code=204, headers=_preflight(headers))
            scope["key"] = self._key(scope["path"], headers)
        except BridgeError as error:
            return error_answer(scope["path"], error)
        return None

    def _check_host(self, scope: Scope, value: str) -> None:
        """A browser that a DNS name was rebound under its feet sends that name; no client of ours does."""
        host = _hostname(value)
        if _is_loopback(host) or host in self._hosts or host == (scope.get("server") or ("",))[0]:
            return
        raise Forbidden(
            f"The Host {shown(value)} is not a name of this service.",
            "Use localhost or this machine's name, or add the name to security.allowed_hosts.",
            code="host_not_allowed",
        )

    def _check_origin(self, origin: str | None) -> None:
        if origin is not None and not self._allows(origin):
            raise Forbidden(
                f"Web pages from {shown(origin)} may not call this service.",
                "Add the origin to security.allowed_origins.",
                code="origin_not_allowed",
            )

    def _allows(self, origin: str) -> bool:
        scheme, _, host = origin.lower().partition("://")
        return origin.lower() in self._origins or (scheme in ("http", "https") and _is_loopback(_hostname(host)))

    def _key(self, path: str, headers: Headers) -> ApiKey | None:
        """The key that the request brought; None where none is asked for. Unauthorized."""
        if not self._keys or path in _OPEN_PATHS:
            return None
        given = keys.given(headers)
        key = keys.known(given, self._keys)
        if key is None:
            raise Unauthorized(
                "No valid API key was sent." if given else "This service asks for an API key.",
                "Send `Authorization: Bearer KEY` with a key from security.api_keys.",
            )
        return key

    def _cors(self, origin: str | None) -> list[tuple[bytes, bytes]]:
        """For an answer that a page will read; a refused origin gets no permission to read why."""
        if origin is None or not self._allows(origin):
            return []
        return [
            (b"access-control-allow-origin", origin.encode("latin-1", "replace")),
            (b"access-control-expose-headers", _EXPOSED.encode()),
            (b"vary", b"Origin"),
        ]


class _Measured:
    """A `send` that remembers the status and adds headers to the answer."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self.status = 499  # until an answer starts: the client went first

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._headers:
                message = {**message, "headers": [*message["headers"], *self._headers]}
        await self._send(message)


def _preflight(headers: Headers) -> dict[str, str]:
    """A page that may call at all may send what it likes: openai-js alone adds eight headers of its own."""
    return {**_CORS, "Access-Control-Allow-Headers": headers.get("access-control-request-headers", "Content-Type")}


def _printable(path: str) -> str:
    """A path as it may stand in a log: one with a newline (%0A) could otherwise write lines of its own."""
    return path if path.isprintable() else ascii(path)


def _own_names() -> tuple[str, ...]:
    name = socket.gethostname().lower()
    return (name, f"{name}.local", name.partition(".")[0])


def _hostname(value: str) -> str:
    """The name of `name:port` or `[v6]:port`, lower case, without a final dot."""
    if value.startswith("["):
        return value[1:].partition("]")[0].lower()
    return value.partition(":")[0].lower().rstrip(".")


def _is_loopback(host: str) -> bool:
    if host in _LOOPBACK or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
