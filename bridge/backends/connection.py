"""One HTTP/1.1 connection to an engine, one exchange at a time.

aiohttp's client takes four times the CPU for an exchange (docs/performance.md). This does what engines need:
keep-alive, lengths, chunks and answers that end with the connection.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import cast

import httptools

# Above any answer: 2,048 vectors of 4,096 numbers in JSON are 180 MB. No matter who asks says how much less may come.
MOST_BODY = 512 * 1024 * 1024
MOST_HEAD = 64 * 1024


class BrokenOffError(ConnectionError):
    """The connection ended before the answer did. `untouched`: before its first byte."""

    def __init__(self, why: str, *, untouched: bool) -> None:
        super().__init__(why)
        self.untouched = untouched


class NonsenseError(ConnectionError):
    """What came is not HTTP, or more than any answer: the other side lives, and the connection is given up here."""


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as it came. `encoding` is its Content-Encoding, "" for none."""

    status: int
    body: bytes
    encoding: str


class Connection(asyncio.Protocol):
    """Made by `loop.create_connection`."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Raw] | None = None
        self._touched = False
        self._most = MOST_BODY
        self._body: list[bytes] = []
        self._begin()

    async def exchange(self, request: bytes, seconds: float, most: int | None = None) -> Raw:
        """BrokenOffError, NonsenseError where more than `most` bytes come, among other things; TimeoutError after so
        many seconds. Any error closes the connection.
        """
        loop = asyncio.get_running_loop()
        self._most = MOST_BODY if most is None else min(most, MOST_BODY)
        self._begin()
        self._touched = False
        waiter: asyncio.Future[Raw] = loop.create_future()
        self._waiter = waiter
        timer = loop.call_later(seconds, self._expire)
        try:
            if self._transport is None or self._transport.is_closing():
                raise BrokenOffError("closed", untouched=True)
            self._transport.write(request)
            return await waiter
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()
            self._waiter = None
            self._body = []  # an idle connection keeps nobody's answer

    @property
    def reusable(self) -> bool:
        """Whether the other side keeps it open, and the last request went out whole."""
        transport = self._transport
        if transport is None or transport.is_closing() or not self._keep_alive:
            return False
        return not transport.get_write_buffer_size()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # -- what the transport calls --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.close()  # nobody asked
            return
        self._touched = True
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(NonsenseError(f"it is not HTTP: {error}"))
        else:
            if self._size > self._most or (not self._in_body and self._size > MOST_HEAD):
                self._fail(NonsenseError(f"it has more than {self._size} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._in_body and not self._framed and exc is None:
            self._keep_alive = False
            self._finish()
        self._fail(BrokenOffError(type(exc).__name__ if exc else "closed", untouched=not self._touched))

    # -- what the parser calls -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._waiter is None or self._waiter.done():
            self.close()  # a second answer to one request: what follows would be taken for the next one's

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._framed = True
        elif name == b"content-encoding":
            self._encoding = value.decode("latin-1").strip().lower()

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._keep_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if 100 <= self._parser.get_status_code() < 200:
            self._begin()  # an interim answer: the real one follows
        else:
            self._finish()

    def _begin(self) -> None:
        self._size = 0
        self._body = []
        self._encoding = ""
        self._in_body = self._framed = self._keep_alive = False

    def _finish(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            waiter.set_result(Raw(self._parser.get_status_code(), body, self._encoding))

    def _expire(self) -> None:
        self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        waiter = self._waiter
        if waiter is not None:
            with contextlib.suppress(asyncio.InvalidStateError):
                waiter.set_exception(error)
