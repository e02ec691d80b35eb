"""HTTP as every client speaks it, and what becomes of a client that goes or stalls.

The requests of a connection are read one after the other: the bytes behind a request wait until it is answered. So no
request can take the answer of the one before it, and a client that disconnects affects only one request.

Where the bytes of a connection part: a head from a body, and a request from the next, however they are split.
"""

import asyncio
import logging
import re
from typing import Literal, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from embedstack.bridge.listen.listener import Flow, Room
from embedstack.bridge.request import Departure

# Java's HttpClient offers h2c with every first request, and some clients offer several protocols. A server may ignore
# that (RFC 9110, 7.8), and Ollama does; the parser under uvicorn instead stops there and drops the body, since the rest
# might be another protocol.
_OFFER = re.compile(rb"^upgrade:", re.IGNORECASE | re.MULTILINE)
_END = b"\r\n\r\n"


class Framing:
    """Cuts off what the parser may read next. It never gets bytes on both sides of the end of a head or of a body, so
    that anyone who feeds it can stop there; and no head of its offers another protocol.

    The parser takes no line without CR LF, in a head or between chunks: both end at the first empty line, and nowhere
    else. `left` counts the bytes that a body still has, None where it comes in chunks.
    """

    def __init__(self) -> None:
        self.begun = False  # a request line
        self.left: int | None = 0
        self._at: Literal["start", "line", "fields"] = "start"
        self._tail = b""

    def head(self, data: bytes) -> tuple[bytes, bytes]:
        """A piece for the parser and the rest, outside of a body. An empty piece: more has to come.

        A request line goes on as it comes, as its first bytes show if it is HTTP; the fields go on in whole lines.
        """
        if self._at == "start":
            data = data.lstrip(b"\r\n")
        self.begun = self.begun or bool(data)
        if (end := self._end(data)) >= 0:
            self.begun, self._at, self._tail = False, "start", b""
            return _without_offer(data[:end]), data[end:]
        if self._at == "fields":
            end = data.rfind(b"\n") + 1
            return _without_offer(data[:end]), data[end:]
        end = data.find(b"\n") + 1
        self._at = "fields" if end else "line" if data else "start"
        return (data[:end], data[end:]) if end else (data, b"")

    def body(self, data: bytes) -> tuple[bytes, bytes]:
        """A piece for the parser and the rest, inside of a body."""
        if self.left is not None:
            cut = min(self.left, len(data))
            self.left -= cut
            return (data, b"") if cut == len(data) else (data[:cut], data[cut:])
        seen = self._tail + data
        end = seen.find(_END)
        if end < 0:
            self._tail = seen[-3:]
            return data, b""
        end += len(_END)
        cut, self._tail = end - len(self._tail), seen[end - 3 : end]
        return data[:cut], data[cut:]

    def _end(self, data: bytes) -> int:
        """Behind the empty line that ends a head; -1 where that has not come. `data` begins with a line of its own."""
        if self._at == "line":
            return -1
        if self._at == "fields" and data.startswith(b"\r\n"):
            return 2
        return at + len(_END) if (at := data.find(_END)) >= 0 else -1


def _without_offer(lines: bytes) -> bytes:
    return _OFFER.sub(b"X-Declined-Upgrade:", lines) if b"upgrade" in lines.lower() else lines


log = logging.getLogger(__name__)

# Seconds in which the head of a request must arrive; uvicorn itself waits for ever.
HEAD_TIMEOUT = 30.0
# Bytes of a head that does not end; neither uvicorn nor its parser has a bound.
MOST_HEAD = 64 * 1024
# Bytes that are read while the request before them is being answered.
MOST_AHEAD = 64 * 1024
# Bytes of a refused request's body for which its connection is kept; Go's net/http, Ollama's, reads as many.
MOST_UNASKED = 256 * 1024
# Seconds for which a connection is still read after its last answer, while its client sends on.
LINGER = 10.0


class HttpProtocol(HttpToolsProtocol):
    """`answer_timeout`: seconds in which a client must take some of an answer that waits for it. `room` is where it is
    counted. `protocol` sets both.
    """

    answer_timeout = 120.0
    room: Room | None = None
    _rest = b""
    _head_size = 0
    _in_body = False
    _ended = False
    _feeding = False
    _head_timer: asyncio.TimerHandle | None = None
    _answer_timer: asyncio.TimerHandle | None = None
    _end_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        if self.room is not None:
            self.room.came()
        self.flow = Flow(self.transport, self.loop, self._client_went)
        self._framing = Framing()
        self._writer = _Writer(self)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._rest = True, b""
        self._stop_waiting()
        self._is_taken()
        cast(Flow, self.flow).stop()
        if self._end_timer is not None:
            self._end_timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if self.room is not None:
            self.room.left()
        if self._answering():
            self._leave_cycle()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._unset_keepalive_if_required()
        self._rest = self._rest + data if self._rest else data
        self._advance()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["departure"] = Departure()  # type: ignore[typeddict-unknown-key]  # no other way leads to the endpoint

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._stop_waiting()
        super().on_headers_complete()
        self.cycle.transport = self._writer  # type: ignore[assignment]  # all of it that a cycle uses
        left = None
        for name, value in self.headers:
            if name == b"content-length":
                left = int(value)
        self._framing.left = left
        departure: Departure = self.scope["departure"]  # type: ignore[typeddict-item]
        departure.comes_soon = left is not None and left <= MOST_UNASKED and not self.expect_100_continue
        self.headers = []  # a trailer, behind the chunks, is not a header: those of the request are in its scope

    def on_message_complete(self) -> None:
        self._in_body = False
        self.scope["departure"].has_sent = True  # type: ignore[typeddict-item]
        super().on_message_complete()
        # Nobody asks for more of a request that is here; but whether its client leaves has to be read.
        self.flow.resume_reading()

    def on_response_complete(self) -> None:
        if self._ended:
            self.server_state.total_requests += 1
            return
        super().on_response_complete()
        if (self._rest or self._in_body) and not self.transport.is_closing():
            self._advance()

    def send_400_response(self, msg: str) -> None:
        if not (self._in_body and self.cycle.response_started):  # else this request has its answer
            self._refuse(b"400 Bad Request", msg.encode("ascii"))
        self.end(unread=True)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more may be written."""
        return self._ended or self.transport.is_closing()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_taken()

    def end(self, *, unread: bool = False) -> None:
        """Close the connection so that its client can read what it was sent. TCP resets one that is closed over bytes
        that nobody has read, and takes back what is on its way: they are read, and thrown away, for a while.
        """
        if self.has_ended:
            return
        unread = unread or self._in_body or bool(self._rest)
        self._ended, self._rest = True, b""
        self._stop_waiting()
        if self._answering():
            self._leave_cycle()
        if not unread:
            self.transport.close()
            return
        self.flow.resume_reading()
        self.transport.write_eof()
        self._end_timer = self.loop.call_later(LINGER, self.transport.close)

    def _advance(self) -> None:
        """Let the parser have what it may."""
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._rest and not self._ended and self._feed():
                pass
        finally:
            self._feeding = False
        if self._ended:
            return
        if self._waits_behind():
            if len(self._rest) > MOST_AHEAD:
                self.flow.pause_reading()
        elif not self._in_body and self._head_size + len(self._rest) > MOST_HEAD:
            self._refuse_head()
        elif self._head_timer is None and self._waits_unwatched():
            self._wait_for_head()

    def _feed(self) -> bool:
        """A piece of what is here, if there is one."""
        if self._in_body:
            piece, self._rest = self._framing.body(self._rest)
        elif self._waits_behind():
            return False
        else:
            before = len(self._rest)
            piece, self._rest = self._framing.head(self._rest)
            self._head_size += before - len(self._rest)
            if self._head_size > MOST_HEAD:
                self._refuse_head()
                return False
            if not self._framing.begun:
                self._head_size = 0
        if piece:
            super().data_received(piece)
        return bool(piece)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _waits_behind(self) -> bool:
        """Whether what comes next is another request than the one that is being answered."""
        return not self._in_body and self._answering()

    def _waits_unwatched(self) -> bool:
        """For a head, or for the rest of a body that is answered already. uvicorn's own timer stops at any byte."""
        return not self._answering() and (self._framing.begun or self._in_body or self.timeout_keep_alive_task is None)

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        self._head_timer = None
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_head(self) -> None:
        self._refuse(b"431 Request Header Fields Too Large", b"")
        self.end(unread=True)

    def _refuse(self, status: bytes, text: bytes) -> None:
        """What is answered before any door: in plain words."""
        kind = b"content-type: text/plain; charset=utf-8\r\n" if text else b""
        head = b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n" % (status, kind, len(text))
        self.transport.write(head + text)

    def _leave_cycle(self) -> None:
        """Nobody is left for the answer that is being made."""
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self.cycle.scope["departure"].happen()  # type: ignore[typeddict-item]  # ours, see on_message_begin

    def _client_went(self) -> None:
        self.transport.abort()

    def _wait_for_taking(self) -> None:
        """Neither uvicorn nor TCP has a bound for a client that stays connected and reads no more."""
        left = self.transport.get_write_buffer_size()
        self._answer_timer = self.loop.call_later(self.answer_timeout, self._look_at_taking, left)

    def _look_at_taking(self, left: int) -> None:
        """Slow is not stalled: anyone who has taken a byte may go on."""
        if self.transport.get_write_buffer_size() < left:
            self._wait_for_taking()
            return
        log.warning("%s took nothing of its answer for %g s and is cut off", _named(self.client), self.answer_timeout)
        self.transport.abort()

    def _is_taken(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None


class _Writer:
    """A connection as the cycle of a request uses it; its end is the protocol's to choose, and nothing follows it."""

    def __init__(self, protocol: HttpProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.close = protocol.end

    def is_closing(self) -> bool:
        """What a cycle asks before it writes `100 Continue`."""
        return self._protocol.has_ended


def protocol(answer_timeout: float, room: Room) -> type[HttpProtocol]:
    """The protocol with its bounds, the first in seconds, as uvicorn wants it: a class."""
    return type("BoundedHttpProtocol", (HttpProtocol,), {"answer_timeout": answer_timeout, "room": room})


def _named(client: tuple[str, int] | None) -> str:
    return client[0] if client else "a client"
