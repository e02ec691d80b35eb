"""A request's body: read within bounds of size and time, and parsed as Ollama's own JSON decoder would.

As it grows it lies in memory that goes back to the system when it is done with. An allocator keeps what a large body
leaves: after a few of them that came at once, a process holds twice what it needs, for good. So what is large lies in
pages of its own, which cost nothing until they are written.

Strings that no UTF-8 can hold: half of a pair of surrogates, in a body, a path, a query or a header.

Nothing can store such a string, or repeat it in an answer. Texts to embed are the exception: in those it becomes U+FFFD
(bridge.text.text), as in Ollama.
"""

import asyncio
import json
import mmap
import re
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import unquote_to_bytes

import orjson
from starlette.requests import Request
from starlette.types import Receive, Scope

from embedstack.bridge.api.intake import INTAKE, Intake
from embedstack.bridge.errors import BadRequest, BodyTimeout, TooLarge, UnsupportedEncoding, encodable, shown
from embedstack.bridge.request import Departure
from embedstack.bridge.settings.structs import Limits

# A surrogate as UTF-8 would write it; in Latin-1 these are a letter and two control characters, which no text has.
_ENCODED = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_LONGEST_NAME = 60  # characters of a field's name


def refuse_fields(body: Mapping[str, Any]) -> None:
    """BadRequest that names the field with such a string as its name, its value, or within that, however deep."""
    for name, value in body.items():
        waiting = [name, value]
        while waiting:
            inner = waiting.pop()
            if isinstance(inner, dict):
                waiting += (part for pair in inner.items() for part in pair)
            elif isinstance(inner, list):
                waiting += inner
            elif isinstance(inner, str) and encodable(inner) is not inner:
                raise _refusal(f"`{encodable(name[:_LONGEST_NAME])}`", inner)


def refuse_head(scope: Scope) -> None:
    """BadRequest that names where in its first line or headers a request has such a string."""
    for part, name in (("raw_path", "path"), ("query_string", "query")):
        target: bytes = scope.get(part) or b""
        if b"%" in target and (found := _ENCODED.search(unquote_to_bytes(target))):
            raise _refusal(f"The {name}", found[0])
    headers = scope["headers"]
    if b"\xed" not in b"".join([value for _, value in headers]):
        return  # almost every request: half a microsecond
    for name, value in headers:
        if found := _ENCODED.search(value):
            raise _refusal(f"The header {name.decode('latin-1')}", found[0])


def _refusal(where: str, value: str | bytes) -> BadRequest:
    return BadRequest(
        f"{where} holds {shown(value)}, which is half of a character: UTF-8 cannot hold it.",
        "Send whole characters, of a pair of surrogates always both.",
        code="invalid_string",
    )


Object = dict[str, Any]
_NOTHING = re.compile(rb"[ \t\n\r\v\f]*")
# What "surrogateescape" makes of a byte that is not UTF-8; no decoded text holds these otherwise.
_NO_UTF8 = re.compile("[\udc80-\udcff]")


async def read_object(request: Request, limits: Limits, text: str = "") -> Object:
    """The JSON object of a body, its field names in lower case: to Go `Input` is `input`. Else as `read_sent`."""
    value = await read_sent(request, limits, text)
    return value if all(map(str.islower, value)) else {name.lower(): given for name, given in value.items()}


async def read_sent(request: Request, limits: Limits, text: str = "") -> Object:
    """The JSON object of a body as it was sent, whatever its Content-Type (curl -d sends a form's). `text` is the field
    whose strings may hold lone surrogates, as bad PDFs have them; in any other they are a BadRequest. May raise 4xx
    errors, and BodiesFull."""
    refuse_encoded(request)
    departure: Departure | None = request.scope.get("departure")
    if departure is not None and departure.has_sent:
        return await _read(request, limits.body_bytes, request.receive, text)  # it is here: nothing is waited for
    intake: Intake = request.scope.get(INTAKE) or Intake(limits.bodies_bytes, limits.body_timeout)
    try:
        async with asyncio.timeout(limits.body_timeout) as timer:
            with intake.body(timer, departure) as share:
                return await _read(request, limits.body_bytes, lambda: share.read(request.receive), text)
    except TimeoutError as error:
        raise BodyTimeout(f"The body did not arrive within {limits.body_timeout:g} s.", "Send it in one go.") from error


def refuse_encoded(request: Request) -> None:
    """UnsupportedEncoding."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedEncoding(f"The body is encoded as {shown(encoding)}.", "Send it without Content-Encoding.")


async def chunks(request: Request, most: int, receive: Receive) -> AsyncIterator[bytes]:
    """A body of `most` bytes at most, as it comes, one piece at least. TooLarge; BadRequest where the client leaves in
    the middle.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest(
                "The client went away in the middle of its body.", "Send it again.", code="client_disconnected"
            )
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        yield chunk
        more = message.get("more_body", False)


def parse(body: bytes | memoryview) -> Any:
    """JSON as Go reads it: lone surrogates and bytes that are not UTF-8 do not refuse a whole request. BadRequest."""
    return _parsed(body)[0]


def _parsed(body: bytes | memoryview) -> tuple[Any, bool]:
    """The value, and whether it is strict JSON, whose strings all are Unicode."""
    try:
        return orjson.loads(body), True
    except orjson.JSONDecodeError as strict:
        try:
            return json.loads(_decoded(body), parse_constant=_no_constant), False
        except (ValueError, RecursionError) as error:
            problem = strict if isinstance(error, RecursionError) else error
            raise BadRequest(
                f"The body is not valid JSON: {problem}.", "Correct it at that place.", code="invalid_json"
            ) from error


def _decoded(body: bytes | memoryview) -> str:
    """One U+FFFD for each byte that is not UTF-8, as Go writes it; Python's own "replace" writes one for several."""
    return _NO_UTF8.sub("\ufffd", str(body, "utf-8", "surrogateescape"))


def _object(body: bytes | memoryview, text: str) -> Object:
    if _NOTHING.fullmatch(body):
        raise BadRequest("missing request body.", 'Send JSON, as {"model": …, "input": …}.', code="missing_body")
    value, strict = _parsed(body)
    if not isinstance(value, dict):
        raise BadRequest(
            f"The body is a JSON {_kind(value)}, not an object.",
            'Send an object, as {"model": …, "input": …}.',
            code="invalid_json",
        )
    if not strict:
        refuse_fields({name.lower(): given for name, given in value.items() if name.lower() != text})
    return value


async def _read(request: Request, most: int, receive: Receive, text: str) -> Object:
    announced = request.headers.get("content-length", "")
    with Whole(int(announced) if announced.isdigit() else None) as whole:
        async for piece in chunks(request, most, receive):
            whole.add(piece)
        return _object(whole.bytes(), text)


def _too_large(most: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than {most} bytes.",
        "Send fewer texts a request, or raise limits.body_bytes.",
        code="body_too_large",
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _kind(value: Any) -> str:
    return {list: "array", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")


# Bytes from which on a body gets pages of its own.
LARGE = 256 * 1024


class Whole:
    """`size`: bytes that are announced, None where nobody knows."""

    def __init__(self, size: int | None) -> None:
        self._announced = size or 0
        self._small = b""
        self._pages: mmap.mmap | None = None
        self._view: memoryview | None = None
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """What `bytes` gave is gone."""
        if self._view is not None:
            self._view.release()
        if self._pages is not None:
            self._pages.close()

    def add(self, piece: bytes) -> None:
        end = self._end + len(piece)
        if self._pages is None and end <= LARGE:
            self._small += piece
        else:
            pages = self._room(end)
            pages[self._end : end] = piece
        self._end = end

    def bytes(self) -> bytes | memoryview:
        """All of it, until the end of the `with`."""
        if self._pages is None:
            return self._small
        self._view = memoryview(self._pages)[: self._end]
        return self._view

    def _room(self, end: int) -> mmap.mmap:
        """Pages for so many bytes at least, with what there is in them."""
        pages = self._pages
        if pages is not None and end <= len(pages):
            return pages
        self._pages = mmap.mmap(-1, max(end, self._announced, 2 * self._end))
        if pages is None:
            self._pages[: self._end], self._small = self._small, b""
        else:
            with memoryview(pages) as old, old[: self._end] as written:  # a slice of the pages would be a copy
                self._pages[: self._end] = written
            pages.close()
        return self._pages
