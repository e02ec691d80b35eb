"""An answer of many vectors, written and sent a slice at a time: no other request waits until all of it is written, and
no more of it is in memory than is on its way.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from embedstack.bridge.departure import Departure

# Numbers in a slice: a millisecond of orjson's time, 1.3 MB of JSON.
SLICE = 65_536
# Numbers from which on an answer is long. Below, it is written in one go and has a Content-Length.
LONG = 4 * SLICE


class LongAnswer(Response):
    """As chunks, since its length is known at its end, as Ollama sends whatever is longer than 2 KB; to HTTP/1.0, which
    has no chunks, as one. `done` is given the seconds that the writing took, and how many bytes it made.
    """

    def __init__(
        self, pieces: Iterator[bytes], headers: list[tuple[bytes, bytes]], done: Callable[[float, int], None]
    ) -> None:
        self.status_code, self.background, self.body = 200, None, b""
        self.raw_headers = headers
        self._pieces = pieces
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI's own
        departure: Departure | None = scope.get("departure")
        if scope["http_version"] == "1.0":
            await self._send_whole(send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for piece in self._timed():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)  # sending waits only where the client is the slower one
            if departure is not None and departure.gone:
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_whole(self, send: Send) -> None:
        parts = []
        for piece in self._timed():
            parts.append(piece)
            await asyncio.sleep(0)
        body = b"".join(parts)
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*self.raw_headers, length]})
        await send({"type": "http.response.body", "body": body})

    def _timed(self) -> Iterator[bytes]:
        spent, size, began = 0.0, 0, time.perf_counter()
        try:
            for piece in self._pieces:
                spent, size = spent + time.perf_counter() - began, size + len(piece)
                yield piece
                began = time.perf_counter()
        finally:
            self._done(spent, size)


def pieces(value: Mapping[str, Any], field: str, entries: int) -> Iterator[bytes]:
    """`value` as JSON, so many entries of its list `field` at a time. There are fields before that one and after it."""
    names = list(value)
    at = names.index(field)
    yield b"%b,%b:[" % (_json({name: value[name] for name in names[:at]})[:-1], _json(field))
    rest, comma = iter(value[field]), b""
    while batch := list(islice(rest, entries)):
        yield comma + _json(batch)[1:-1]
        comma = b","
    yield b"],%b" % _json({name: value[name] for name in names[at + 1 :]})[1:]


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
