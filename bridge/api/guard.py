"""Who may ask at all: Host, Origin and key, before any route, and the path as clients really send it. A program on this
machine may do more than others where nobody has a key.
"""

import hmac
import logging
import re
import socket
import time
from collections.abc import Iterable, Mapping, Sequence

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from embedstack.bridge.api.answers import error_answer
from embedstack.bridge.api.asgi import FirstHeaders
from embedstack.bridge.api.body import refuse_head
from embedstack.bridge.errors import BadRequest, BridgeError, Forbidden, Unauthorized, shown
from embedstack.bridge.observe.telemetry import Telemetry
from embedstack.bridge.request import Departure
from embedstack.bridge.settings import hosts
from embedstack.bridge.settings.security import ApiKey, Security
from embedstack.host.addresses import is_loopback

# Pages cannot keep a browser from sending these, and nothing but a browser sends them: every name that begins with
# `Sec-` is the browser's own (Fetch, 2.2.2), as Sec-Fetch-Site.
_PAGE = re.compile(r"origin|referer|sec-.+")
# What proxies, load balancers, tunnels and CDNs add: for whom they ask. A proxy on this machine makes everybody local.
_FORWARDED = re.compile(
    r"forwarded(-.+)?|via|cdn-loop|client-ip|x-original-.+|cf-.+|fly-.+|fastly-.+|true-client-ip|tailscale-.+"
    r"|x-(forwarded|real|client|cluster-client|remote|proxyuser|originating|azure|appengine|envoy|amzn|arr)(-.+)?"
    r"|x-(realip|clientip|proxy-.+)"
)


def outsider(request: Request) -> str:
    """Who else than a program on this machine asks, in words; "" where nobody else does.

    A proxy that adds no header, as nginx with `proxy_pass` alone, cannot be distinguished from a program.
    """
    if request.client is None or not is_loopback(request.client.host):
        return "a client that is not on this machine"
    names = request.headers.keys()
    if named := _first(_PAGE, names):
        return f"a web page (the request has the header {named})"
    if named := _first(_FORWARDED, names):
        return f"a proxy, for somebody else (the request has the header {named})"
    return ""


def _first(pattern: re.Pattern[str], names: Iterable[str]) -> str:
    return next((name for name in names if pattern.fullmatch(name)), "")


def sent_key(headers: Mapping[str, str]) -> str:
    """As Bearer token, else in X-Api-Key; "" where there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    # A header's own white space alone: to Python, the last byte of `à` in UTF-8 is white space too.
    return token.strip(" \t") if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def find_key(sent: str, keys: Sequence[ApiKey]) -> ApiKey | None:
    """Every key is compared, and each in constant time, so that the time tells neither which nor how much matched."""
    said = sent.encode("latin-1")  # as the header's bytes came: a key may be any UTF-8
    matches = [hmac.compare_digest(said, (key.key or "").encode()) for key in keys]
    return keys[matches.index(True)] if any(matches) else None


def accepted(security: Security) -> tuple[ApiKey, ...]:
    """Every key there is, the administrator's own too; none where `api_keys` ask nobody for one."""
    return (*security.api_keys, *_own(security)) if security.api_keys else ()


class Admins:
    """Who may use the admin routes."""

    def __init__(self, security: Security) -> None:
        self._keys = (*_own(security), *(key for key in security.api_keys if key.admin))
        self._is_open = not security.api_keys and not security.admin_key

    def check(self, request: Request) -> None:
        """Forbidden without an admin key; without any key, unless the client is a program on this machine."""
        if find_key(sent_key(request.headers), self._keys):
            return
        who = outsider(request) if self._is_open else "somebody without one"
        if who:
            raise Forbidden(
                f"This needs an admin key, and {who} has asked.",
                "Send that of security.admin_key_file, or one of security.api_keys that has `admin: true`.",
                code="not_admin",
            )


def _own(security: Security) -> tuple[ApiKey, ...]:
    return (ApiKey(name="admin", key=security.admin_key, admin=True),) if security.admin_key else ()


log = logging.getLogger("bridge.access")

_SLASHES = re.compile("//+")
# Probes of orchestrators carry no key, and tell nothing that a key would protect.
_OPEN_PATHS = frozenset({"/", "/healthz", "/readyz"})
_CORS = {"Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS", "Access-Control-Max-Age": "86400"}
# By these a container calls its machine: Docker, Podman, Lima, OrbStack, Rancher Desktop, minikube, k3d.
# `.internal` is in no public DNS (ICANN, 2024-07-29), so no page of the internet can have one of them.
_CONTAINERS_HOST = frozenset(
    f"{name}.internal"
    for name in (
        *("host.docker", "gateway.docker", "host.containers"),
        *("host.lima", "host.orb", "host.rancher-desktop", "host.minikube", "host.k3d"),
    )
)
_EXPOSED = (
    "X-Embed-Error, X-Embed-Truncated, X-Embed-Corrected, X-Embed-Ignored, X-Embed-Cache, X-Embed-Fingerprint, "
    "Server-Timing, Retry-After"
)


class Guard:
    """ASGI middleware around the routes; also measures each request, since nothing else sees them all."""

    def __init__(self, app: ASGIApp, security: Security, telemetry: Telemetry, paths: Sequence[str]) -> None:
        self._app = app
        self._names = _CONTAINERS_HOST | frozenset(_own_names())
        self._hosts = security.host_patterns
        self._origins = security.origin_patterns
        self._keys = accepted(security)
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
        measured = _Measured(send, self._cors(origin), scope.get("departure"))
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

    def _refusal(self, scope: Scope, headers: FirstHeaders, origin: str | None) -> Response | None:
        """What is answered instead of passing the request on: an error, or a preflight's permission."""
        try:
            refuse_head(scope)
            self._check_host(scope, headers)
            self._check_origin(origin)
            if origin and scope["method"] == "OPTIONS":
                return Response(status_code=204, headers=_preflight(headers))
            scope["key"] = self._key(scope["path"], headers)
        except BridgeError as error:
            return error_answer(scope["path"], error)
        return None

    def _check_host(self, scope: Scope, headers: FirstHeaders) -> None:
        """A browser sends the name that was rebound to us; no client of ours does, and an address cannot be rebound."""
        value = headers.get("host")
        if value is None:
            _check_may_lack_host(scope)
            return
        at = None if headers.repeats("host") else hosts.authority(value)
        if at is None or not (at.is_literal or self._serves(at.host)):
            raise Forbidden(
                f"The Host {shown(value)} is not a name of this service.",
                "Use localhost, an IP address or this machine's name, or add the name to security.allowed_hosts.",
                code="host_not_allowed",
            )

    def _serves(self, name: str) -> bool:
        return is_loopback(name) or name in self._names or any(known.matches(name) for known in self._hosts)

    def _check_origin(self, origin: str | None) -> None:
        if origin is not None and not self._allows(origin):
            raise Forbidden(
                f"Web pages from {shown(origin)} may not call this service.",
                "Add the origin to security.allowed_origins.",
                code="origin_not_allowed",
            )

    def _allows(self, origin: str) -> bool:
        page = hosts.origin(origin)
        if page is None:
            return False
        own = page.scheme in ("http", "https") and is_loopback(page.host)
        return own or any(known.matches(page) for known in self._origins)

    def _key(self, path: str, headers: Headers) -> ApiKey | None:
        """The key that the request brought; None where none is asked for. Unauthorized."""
        if not self._keys or path in _OPEN_PATHS:
            return None
        given = sent_key(headers)
        key = find_key(given, self._keys)
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
    """A `send` that remembers the status and adds headers to the answer. A client that is answered before its body is
    here need not send it: the connection ends, unless the rest is small.
    """

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]], departure: Departure | None) -> None:
        self._send = send
        self._headers = headers
        self._departure = departure
        self.status = 499  # until an answer starts: the client went first

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = self._headers
            if self._departure is not None and not (self._departure.has_sent or self._departure.comes_soon):
                headers = [*headers, (b"connection", b"close")]
            if headers:
                message = {**message, "headers": [*message["headers"], *headers]}
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


def _check_may_lack_host(scope: Scope) -> None:
    """Every browser sends one, so anyone who does not is not a page: probes, and HTTP/1.0, which knows none."""
    if scope["path"] not in _OPEN_PATHS and scope["http_version"] != "1.0":
        raise BadRequest(
            "The request has no Host header, which HTTP/1.1 asks for (RFC 9112, 3.2).",
            "Send one, as every HTTP library does by itself, or ask in HTTP/1.0.",
            code="host_missing",
        )
