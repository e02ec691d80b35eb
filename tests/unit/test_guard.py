"""What the guard makes of a connection that a test on loopback cannot have: another address, other header bytes."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.api.guard import Guard
from bridge.settings import ApiKey, Security
from bridge.telemetry import Telemetry


async def well(_: Request) -> Response:
    return PlainTextResponse("well")


def status(headers: dict[str, str | bytes], *, server: str = "192.168.7.20", security: Security | None = None) -> int:
    """What a GET on /api/tags is answered, on a connection to the address `server`."""
    app = Starlette(routes=[Route("/api/tags", well)])
    guard = Guard(app, security or Security(), Telemetry(), ["/api/tags"])
    raw = [
        (name.lower().encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in headers.items()
    ]
    scope = {
        **{"type": "http", "method": "GET", "path": "/api/tags", "query_string": b"", "headers": raw},
        **{"server": (server, 11435), "client": ("192.168.7.99", 5), "scheme": "http", "http_version": "1.1"},
    }
    statuses: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    asyncio.run(guard(scope, receive, send))
    return statuses[0]


@pytest.mark.parametrize(
    ("server", "host", "expected"),
    [
        ("192.168.7.20", "192.168.7.20:11435", 200),
        ("192.168.7.20", "192.168.7.20", 200),
        ("fd00::20", "[fd00::20]:11435", 200),
        ("192.168.7.20", "192.168.7.21:11435", 403),
        ("192.168.7.20", "rebound.example", 403),
        ("192.168.7.20", "localhost", 200),
    ],
)
def test_the_address_that_was_connected_to_is_this_machines(server: str, host: str, expected: int) -> None:
    """A bridge on a network is asked for by its address there; a name that was rebound to it is still foreign."""
    assert expected == status({"Host": host}, server=server)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("schlüssel", 200), ("schlüssel".encode("latin-1"), 401), ("schlussel", 401), ("密钥-1", 200), (b"\xff", 401)],
)
def test_a_key_may_be_any_text(sent: str | bytes, expected: int) -> None:
    """A header's bytes are compared with the key in UTF-8, as curl and every SDK send it."""
    keys = (ApiKey(name="one", key="schlüssel"), ApiKey(name="two", key="密钥-1"))
    key = sent if isinstance(sent, bytes) else sent.encode()

    assert expected == status(
        {"Host": "localhost", "Authorization": b"Bearer " + key}, security=Security(api_keys=keys)
    )
