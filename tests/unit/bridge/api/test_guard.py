"""What the guard makes of a connection that a test on loopback cannot have: another address, other header bytes."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from embedstack.bridge.api.answers import error_answer
from embedstack.bridge.api.guard import Guard
from embedstack.bridge.api.ops import TraceDoor
from embedstack.bridge.errors import BridgeError
from embedstack.bridge.observe.telemetry import Telemetry
from embedstack.bridge.observe.trace import Trace
from embedstack.bridge.settings.security import ApiKey, Security


async def well(_: Request) -> Response:
    return PlainTextResponse("well")


async def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, BridgeError)
    return error_answer(request.url.path, error)


Headers = dict[str, str | bytes] | list[tuple[str, str | bytes]]


def status(
    headers: Headers,
    *,
    path: str = "/api/tags",
    version: str = "1.1",
    client: str = "192.168.7.99",
    method: str = "GET",
    security: Security | None = None,
) -> int:
    """What is answered to a request from the address `client`."""
    security = security or Security()
    trace = TraceDoor(Trace(10, text=True), security)
    app = Starlette(routes=[Route(route, well) for route in ("/", "/healthz", "/readyz", "/api/tags")] + trace.routes())
    app.add_exception_handler(BridgeError, refused)
    guard = Guard(app, security, Telemetry(), ["/api/tags"])
    raw = [
        (name.lower().encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in (headers.items() if isinstance(headers, dict) else headers)
    ]
    scope = {
        **{
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": raw,
            "http_version": version,
        },
        **{"server": ("192.168.7.20", 11435), "client": (client, 5), "scheme": "http"},
    }
    statuses: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    asyncio.run(guard(scope, receive, send))
    return statuses[0]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, 200) for host in ("192.168.7.20:11435", "192.168.7.20", "[fd00::20]:11435", "192.168.7.21:11435")),
        *((host, 200) for host in ("8.8.8.8", "0.0.0.0:1", "[fe80::1%25eth0]", "[::ffff:1.2.3.4]:80", "localhost")),
        *((host, 200) for host in ("host.docker.internal:11435", "HOST.Containers.Internal", "host.lima.internal.")),
        *((host, 403) for host in ("rebound.example", "docker.internal", "x.host.docker.internal", "127.0.0.1.")),
        *(
            (host, 403)
            for host in ("host.docker.internal.evil.example", "localhost.internal", "host.docker.internal..")
        ),
    ],
)
def test_an_address_cannot_be_rebound_and_a_name_can(host: str, expected: int) -> None:
    """Whichever address a request names: 127.0.0.1 behind a forwarded port, and what a router calls this machine, too.
    Of names only those that nobody else can have.
    """
    assert expected == status({"Host": host})


@pytest.mark.parametrize(
    ("values", "expected"),
    [(["localhost", "evil.example"], 403), (["evil.example", "localhost"], 403), (["localhost", "localhost"], 403)],
)
def test_two_hosts_are_refused(values: list[str], expected: int) -> None:
    """One reader would take the first, another the last (RFC 9112, 3.2)."""
    assert expected == status([("Host", value) for value in values])


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/api/tags", "/v1/trace", "/nothing"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_without_a_host_a_probe_is_answered_and_http_1_1_is_not(path: str, version: str) -> None:
    """A browser always sends one: probes may leave it out, and HTTP/1.0 knows none. HTTP/1.1 asks for it elsewhere."""
    with_one = status({"Host": "localhost"}, path=path, version=version)
    missing = path not in ("/", "/healthz", "/readyz") and version == "1.1"

    assert status({}, path=path, version=version) == (400 if missing else with_one)


ON_THIS_MACHINE = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")
OF_A_PAGE: tuple[dict[str, str], ...] = (
    {"Origin": "http://localhost:3000"},
    {"Origin": "https://chat.example.org"},
    {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Dest": "empty"},
    {"Sec-CH-UA": '"Chromium";v="149"'},
    {"Sec-GPC": "1"},
    {"Referer": "http://localhost:3000/"},
)
FORWARDED: tuple[dict[str, str], ...] = tuple(
    {name: value}
    for name, value in (
        *(("Forwarded", "for=192.0.2.60"), ("Via", "1.1 proxy"), ("X-Forwarded-For", "192.0.2.60")),
        *(("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", "a"), ("X-Forwarded-Proto", "https")),
        *(("X-Forwarded", "x"), ("X-Forwarded-Prefix", "/a"), ("X-Real-IP", "127.0.0.1"), ("X-Client-IP", "::1")),
        *(("CF-Connecting-IP", "192.0.2.60"), ("CF-Ray", "x"), ("CDN-Loop", "x"), ("True-Client-IP", "192.0.2.60")),
        *(("X-Cluster-Client-IP", "x"), ("Fastly-Client-IP", "x"), ("Fly-Client-IP", "x"), ("Client-IP", "x")),
        *(("X-Original-Forwarded-For", "x"), ("X-Original-Host", "x"), ("X-Envoy-External-Address", "x")),
        *(("X-Azure-ClientIP", "x"), ("X-AppEngine-User-IP", "x"), ("X-Amzn-Trace-Id", "x"), ("X-ProxyUser-Ip", "x")),
        *(("X-Remote-IP", ""), ("Forwarded-For", "x"), ("Tailscale-User-Login", "x"), ("X-Originating-IP", "x")),
    )
)


def ask_trace(headers: dict[str, str], *, client: str = "127.0.0.1", security: Security | None = None) -> int:
    return status({"Host": "localhost", **headers}, path="/v1/trace", client=client, security=security)


@pytest.mark.parametrize("client", ON_THIS_MACHINE)
def test_without_any_key_a_program_on_this_machine_is_an_administrator(client: str) -> None:
    """By every address that only this machine has; a client from elsewhere is none."""
    assert (ask_trace({}, client=client), ask_trace({}, client="192.168.7.99")) == (200, 403)
    assert (
        ask_trace({"User-Agent": "x", "Accept": "*/*", "X-Request-Id": "1", "traceparent": "x"}, client=client) == 200
    )


@pytest.mark.parametrize("headers", [*OF_A_PAGE, *FORWARDED], ids=str)
def test_neither_a_page_nor_a_proxy_is_an_administrator_without_a_key(headers: dict[str, str]) -> None:
    """A page that is allowed to embed may not read what others have embedded; behind a proxy everybody is local."""
    allowed = Security(allowed_origins=("https://chat.example.org",))
    assert ask_trace(headers, security=allowed) == 403

    keyed = Security(admin_key="the-key", allowed_origins=("https://chat.example.org",))
    assert ask_trace({**headers, "Authorization": "Bearer the-key"}, security=keyed) == 200
    assert ask_trace({**headers, "Authorization": "Bearer another"}, security=keyed) == 403


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("schlüssel", 200),
        ("schlüssel".encode("latin-1"), 401),
        ("schlussel", 401),
        ("密钥-1", 200),
        (b"\xff", 401),
        ("voilà", 200),
        ("…Å", 200),
    ],
)
def test_a_key_may_be_any_text(sent: str | bytes, expected: int) -> None:
    """A header's bytes are compared with the key in UTF-8, as curl and every SDK send it."""
    keys = (
        ApiKey(name="one", key="schlüssel"),
        ApiKey(name="two", key="密钥-1"),
        *(ApiKey(name=key, key=key) for key in ("voilà", "…Å")),
    )
    key = sent if isinstance(sent, bytes) else sent.encode()

    assert expected == status(
        {"Host": "localhost", "Authorization": b"Bearer " + key}, security=Security(api_keys=keys)
    )
