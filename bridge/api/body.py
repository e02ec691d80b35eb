"""A request's body: read within limits of size and time, and parsed as Ollama's JSON decoder would.

A large body lies in memory that goes back to the system afterwards. The allocator would keep that memory: after a few
large bodies at once, the process would permanently hold twice what it needs. So a large body gets pages of its own,
which cost nothing until they are written.

A string with half of a surrogate pair is refused, in a body, a path, a query or a header: UTF-8 cannot encode it, so it
can be neither stored nor repeated in an answer. Texts to embed are the exception: there it becomes U+FFFD
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

# A surrogate encoded as UTF-8 would encode it. In Latin-1 these bytes are a letter and two control characters, which
# do not occur in text.
_ENCODED = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_LONGEST_NAME = 60  # characters of a field's name


def refuse_fields(body: Mapping[str, Any]) -> None:
    """BadRequest that names the field if such a string is its name, its value, or inside its value at any depth."""
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
    """BadRequest that names the path, the query or the header that contains such a string."""
    for part, name in (("raw_path", "path"), ("query_string", "query")):
        target: bytes = scope.get(part) or b""
        if b"%" in target and (found := _ENCODED.search(unquote_to_bytes(target))):
            raise _refusal(f"The {name}", found[0])
    headers = scope["headers"]
    if b"\xed" not in b"".join([value for _, value in headers]):
        return  # almost every request; the check takes half a microsecond
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
# "surrogateescape" decodes a byte that is not UTF-8 to one of these; decoded text has none of them otherwise.
_NO_UTF8 = re.compile("[\udc80-\udcff]")


async def read_object(request: Request, limits: Limits, text: str = "") -> Object:
    """As `read_sent`, with field names in lower case, since Go reads `Input` as `input`."""
    value = await read_sent(request, limits, text)
    return value if all(map(str.islower, value)) else {name.lower(): given for name, given in value.items()}


async def read_sent(request: Request, limits: Limits, text: str = "") -> Object:
    """The JSON object of a body as it was sent. Its Content-Type is ignored, since `curl -d` sends that of a form.
    `text` is the field whose strings may contain lone surrogates, as bad PDFs do; in others they are a BadRequest.
    Raises 4xx errors and BodiesFull."""
    refuse_encoded(request)
    departure: Departure | None = request.scope.get("departure")
    if departure is not None and departure.has_sent:
        return await _read(
            request, limits.body_bytes, request.receive, text
        )  # it has arrived, so there is nothing to wait for
    intake: Intake = request.scope.get(INTAKE) or Intake(limits.bodies_bytes, limits.body_timeout)
    try:
        async with asyncio.timeout(limits.body_timeout) as timer:
            with intake.body(timer, departure) as share:
                return await _read(request, limits.body_bytes, lambda: share.read(request.receive), text)
    except TimeoutError as error:
        raise BodyTimeout(f"The body did not arrive within {limits.body_timeout:g} s.", "Send it in one go.") from error


def refuse_encoded(request: Request) -> None:
    """UnsupportedEncoding if the body has a Content-Encoding."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedEncoding(f"The body is encoded as {shown(encoding)}.", "Send it without Content-Encoding.")


async def chunks(request: Request, most: int, receive: Receive) -> AsyncIterator[bytes]:
    """The pieces of a body of at most `most` bytes as they arrive, at least one. TooLarge; BadRequest if the client
    leaves in the middle.
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
    """JSON as Go reads it: lone surrogates and bytes that are not UTF-8 are accepted. BadRequest."""
    return _parsed(body)[0]


def _parsed(body: bytes | memoryview) -> tuple[Any, bool]:
    """The value, and whether it was strict JSON, whose strings are all valid Unicode."""
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
    """Decode with one U+FFFD per byte that is not UTF-8, as Go does; Python's "replace" writes one for several."""
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


# A body with more bytes gets pages of its own.
LARGE = 256 * 1024


class Whole:
    """A body that is collected piece by piece. `size`: the announced bytes; None if unknown."""

    def __init__(self, size: int | None) -> None:
        self._announced = size or 0
        self._small = b""
        self._pages: mmap.mmap | None = None
        self._view: memoryview | None = None
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """The result of `bytes` is no longer valid."""
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
        """The whole body, valid until the end of the `with`."""
        if self._pages is None:
            return self._small
        self._view = memoryview(self._pages)[: self._end]
        return self._view

    def _room(self, end: int) -> mmap.mmap:
        """Pages for at least `end` bytes that contain what has been added so far."""
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
