"""The answers of the doors: JSON, headers that say what was done, and each API's error shape.

An answer with many vectors is written and sent in slices. Other requests need not wait until all of it is written, and
only the slices being sent are in memory.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from embedstack.bridge.api.astray import speaks_openai
from embedstack.bridge.api.witness import Witness
from embedstack.bridge.errors import BridgeError
from embedstack.bridge.request import Departure, EmbedRequest, EmbedResult, Found, Stages

# Numbers in a slice: orjson writes them in a millisecond, as 1.3 MB of JSON.
SLICE = 65_536
# An answer with more numbers is long. A shorter one is written in one piece and has a Content-Length.
LONG = 4 * SLICE


class LongAnswer(Response):
    """Sent in chunks, since its length is known only at the end. Ollama does the same for answers over 2 KB. HTTP/1.0
    has no chunks and gets one piece. `done` is called with the seconds spent writing and the number of bytes.
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
            await asyncio.sleep(0)  # `send` itself waits only if the client is slower
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
    """`value` as JSON, `entries` entries of its list `field` at a time. `field` must not be its first or last field."""
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


JSON = "application/json; charset=utf-8"
# Clients and proxies would refuse a header that lists thousands of texts (8 KiB is a common limit).
_MOST_NAMED = 50


def json_answer(value: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """`value` may contain NumPy arrays; float32 is written with enough digits to be read back unchanged."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON, headers=headers)


def embed_answer(
    value: dict[str, Any],
    asked: EmbedRequest,
    result: EmbedResult,
    ignored: Sequence[str],
    door: str,
    witness: Witness,
) -> Response:
    """The vectors, with headers that say how they were made."""
    if is_long(result):
        slices = pieces(value, "data" if "data" in value else "embeddings", max(1, SLICE // len(result.vectors[0])))
        return LongAnswer(slices, _headers(result, ignored, None), partial(witness.answered, door, asked, result))
    began = time.perf_counter()
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    encode = time.perf_counter() - began
    witness.answered(door, asked, result, encode, len(body))
    return _Vectors(body, _headers(result, ignored, encode))


def is_long(result: EmbedResult) -> bool:
    """Whether the answer is written in slices. A list in it may then be lazy, made entry by entry."""
    return len(result.vectors) * len(result.vectors[0]) > LONG


def _headers(result: EmbedResult, ignored: Sequence[str], encode: float | None) -> list[tuple[bytes, bytes]]:
    headers = [
        ("x-embed-cache", _found(result.found)),
        ("x-embed-fingerprint", result.fingerprint),
        ("server-timing", _timing(result.stages, encode)),
        ("content-type", JSON),
    ]
    if result.truncated:
        headers.append(("x-embed-truncated", _places(result.truncated)))
    if result.corrected:
        headers.append(("x-embed-corrected", _places(result.corrected)))
    if ignored:
        headers.append(("x-embed-ignored", ",".join(ignored)))
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]


class _Vectors(Response):
    """Avoids Starlette's constructor, which looks at each header twice and copies the body, on the busiest path."""

    def __init__(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code, self.background, self.body = 200, None, body
        self.raw_headers = [*headers, (b"content-length", str(len(body)).encode())]


def ignored_note(ignored: Sequence[str]) -> dict[str, str]:
    """The header that lists ignored options, for an answer without vectors."""
    return {"X-Embed-Ignored": ",".join(ignored)} if ignored else {}


def _places(texts: Sequence[int]) -> str:
    named = ",".join(map(str, texts[:_MOST_NAMED]))
    return named if len(texts) <= _MOST_NAMED else f"{named}, ... {len(texts)} in all"


def _found(found: Found) -> str:
    """One word if it holds for every text, otherwise the count of each."""
    counts = {"hit": found.hit, "joined": found.joined, "miss": found.miss}
    some = [name for name, count in counts.items() if count]
    return some[0] if len(some) == 1 else ", ".join(f"{name}={counts[name]}" for name in some)


def _timing(stages: Stages, encode: float | None) -> str:
    """Milliseconds, as in https://www.w3.org/TR/server-timing/. `encode` is None for a long answer, whose headers are
    sent before it is written.
    """
    written = "" if encode is None else f", encode;dur={encode * 1000:.3f}"
    return (
        f"cache;dur={stages.cache * 1000:.3f}, queue;dur={stages.queue * 1000:.3f}, "
        f"engine;dur={stages.engine * 1000:.3f}{written}"
    )


def error_answer(path: str, error: BridgeError) -> Response:
    """The error in the shape of the API that `path` belongs to. X-Embed-Error always has the stable code as well."""
    headers = {"X-Embed-Error": error.code}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    shape = _openai if speaks_openai(path) else _ollama
    return Response(orjson.dumps(shape(error)), error.status, headers, JSON)


def _ollama(error: BridgeError) -> dict[str, Any]:
    return {"error": str(error)}


def _openai(error: BridgeError) -> dict[str, Any]:
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    return {"error": {"message": str(error), "type": kind, "param": None, "code": error.code}}
