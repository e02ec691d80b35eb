"""HTTP as every client speaks it, and what becomes of a client that goes or stalls."""

import asyncio
import logging
import re
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bridge.departure import Departure

log = logging.getLogger(__name__)

# Java's HttpClient offers h2c with every first request. A server may ignore that (RFC 9110, 7.8), and Ollama does; the
# parser under uvicorn instead stops there and drops the body, since the rest might be another protocol.
_OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
# What may go on, in the bytes that come next, as that offer or as the end of the head.
_BEGUN = re.compile(rb"\r(\n(\r|u(p(g(r(a(de?)?)?)?)?)?)?)?\Z", re.IGNORECASE)
# Seconds in which the head of a request must arrive; uvicorn itself waits for ever.
HEAD_TIMEOUT = 30.0
# Bytes of a head that does not end; neither uvicorn nor its parser has a bound.
MOST_HEAD = 64 * 1024


class HttpProtocol(HttpToolsProtocol):
    """`answer_timeout`: seconds in which a client must take some of an answer that waits for it; `protocol` sets it."""

    answer_timeout = 120.0
    _held = b""
    _head_size = 0
    _head_begun = False
    _in_body = False
    _head_timer: asyncio.TimerHandle | None = None
    _answer_timer: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._is_taken()
        super().connection_lost(exc)
        # Of pipelined requests uvicorn tells the last one alone.
        for cycle in (self._running, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.scope["departure"].happen()  # type: ignore[typeddict-item]  # ours, see on_message_begin

    def data_received(self, data: bytes) -> None:
        super().data_received(data if self._in_body else self._head(data))
        if self._head_begun:
            self._head_size += len(data)
            if self._head_size > MOST_HEAD:
                self._refuse_head()
        if self._head_timer is None and (self._head_begun or self._idle()):
            self._wait_for_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_begun, self._head_size = True, 0
        self.scope["departure"] = Departure()  # type: ignore[typeddict-unknown-key]  # no other way leads to the endpoint

    def on_headers_complete(self) -> None:
        self._head_begun, self._in_body = False, True
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self.scope["departure"].has_sent = True  # type: ignore[typeddict-item]
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_taken()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _head(self, data: bytes) -> bytes:
        """A head's bytes without the offer of another protocol, however they are split; a body is never touched."""
        data, self._held = self._held + data, b""
        end = data.find(b"\r\n\r\n")
        if _OFFER.search(data, 0, end if end >= 0 else len(data)):
            data = _OFFER.sub(b"\r\nX-Declined-Upgrade:", data, count=1)
        if end < 0 and (begun := _BEGUN.search(data)):
            data, self._held = data[: begun.start()], data[begun.start() :]
        return data

    def _idle(self) -> bool:
        """Whether nothing is being answered and uvicorn, which stops its own timer at any byte, waits for nothing."""
        return self.timeout_keep_alive_task is None and (self._running is None or self._running.response_complete)

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        """An answer that is on its way still goes out: the next head may be late because that one is."""
        if self._running is None or self._running.response_complete:
            self.transport.close()
        else:
            self._wait_for_head()

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_head(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
            self.transport.write(b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def _wait_for_taking(self) -> None:
        """Neither uvicorn nor TCP has a bound for a client that stays connected and reads no more."""
        left = self.transport.get_write_buffer_size()
        self._answer_timer = self.loop.call_later(self.answer_timeout, self._look_at_taking, left)

    def _look_at_taking(self, left: int) -> None:
        """Slow is not stalled: whoever has taken a byte may go on."""
        if self.transport.get_write_buffer_size() < left:
            self._wait_for_taking()
            return
        log.warning("%s took nothing of its answer for %g s and is cut off", _told(self.client), self.answer_timeout)
        self.transport.abort()

    def _is_taken(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None


def protocol(answer_timeout: float) -> type[HttpProtocol]:
    """The protocol with its bound, in seconds, as uvicorn wants it: a class."""
    return type("BoundedHttpProtocol", (HttpProtocol,), {"answer_timeout": answer_timeout})


def _told(client: tuple[str, int] | None) -> str:
    return client[0] if client else "a client"
