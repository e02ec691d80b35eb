"""A request's body becomes an object whose fields have the names that the doors look for."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.types import Message

from embedstack.bridge.api.body import read_object
from embedstack.bridge.settings.structs import Limits


def read(body: bytes) -> dict[str, Any]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    return asyncio.run(read_object(Request({"type": "http", "headers": []}, receive), Limits()))


def test_names_of_fields_are_read_in_any_case() -> None:
    """`Model` is `model`, as to Go, and of two the last counts; what is inside a field is left alone."""
    body = read(b'{"input":"y","Model":"demo","INPUT":"x","options":{"Stop":1},"":"query"}')

    assert body == {"model": "demo", "input": "x", "options": {"Stop": 1}, "": "query"}
