"""The load: one client that measures each exchange, or many that send as fast as answers come.

Plain sockets and ready-made bytes, since a general HTTP client in Python would cost more than what is measured. Every
answer must be a whole 200.
"""

import asyncio
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import uvloop

ANSWER_TIMEOUT = 60.0  # seconds for one answer: a server that hangs must not hang the benchmark
CHUNK = 1 << 18
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class AnswerError(Exception):
    """An answer that is not a whole 200 with a Content-Length."""


def whole_length(received: bytes | bytearray) -> int | None:
    """Bytes of the answer that begins here, head and body; None until its head is complete. AnswerError."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _LENGTH.search(received, 0, end)
    if length is None or not received.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
        raise AnswerError(f"not a 200 with a Content-Length: {bytes(received[:300])!r}")
    return end + 4 + int(length[1])


class OneClient:
    """One connection, one request at a time, in blocking calls: nothing of an event loop is in what it measures."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "OneClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def exchange(self, request: bytes) -> bytes:
        """The body of the answer. AnswerError, OSError."""
        self._socket.sendall(request)
        received = bytearray()
        while (length := whole_length(received)) is None or len(received) < length:
            if not (chunk := self._socket.recv(CHUNK)):
                raise AnswerError(f"the connection closed in the middle of an answer: {bytes(received[:300])!r}")
            received += chunk
        return bytes(received.partition(b"\r\n\r\n")[2])

    def milliseconds(self, request: bytes, *, most: int, seconds: float) -> list[float]:
        """How long each of up to `most` exchanges took; none is begun after `seconds`."""
        took: list[float] = []
        until = time.perf_counter() + seconds
        while len(took) < most and (begun := time.perf_counter()) < until:
            self.exchange(request)
            took.append((time.perf_counter() - begun) * 1000)
        return took


@dataclass(frozen=True)
class Load:
    """What many clients got done."""

    requests: int
    seconds: float


Request = bytes | Callable[[], bytes]


def many_clients(port: int, request: Request, *, clients: int, most: int, seconds: float) -> Load:
    """`clients` connections that each send their next request at once, until `most` are sent or time is up. `request`
    may make each of them.

    What is in flight then is waited for and counted: a slow server that answers all clients at the same time would
    otherwise be judged by a chance.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_many(port, request, clients, most, seconds))


async def _many(port: int, request: Request, clients: int, most: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    crowd = _Crowd(request, most, loop)
    connections = [
        (await loop.create_connection(lambda: _Connection(crowd), "127.0.0.1", port))[1] for _ in range(clients)
    ]
    begun = time.perf_counter()
    loop.call_later(seconds, crowd.end)
    loop.call_later(seconds + ANSWER_TIMEOUT, crowd.fail, AnswerError("no answer within the time limit"))
    try:
        for connection in connections:
            connection.send()
        await crowd.finished
        return Load(crowd.answered, time.perf_counter() - begun)
    finally:
        for connection in connections:
            connection.close()


class _Crowd:
    """What the connections share: how many requests are out, how many are answered, and whether to send more."""

    def __init__(self, request: Request, most: int, loop: asyncio.AbstractEventLoop) -> None:
        self._request = request
        self.answered = 0
        self.finished: asyncio.Future[None] = loop.create_future()
        self._sent = 0
        self._most = most

    def request(self) -> bytes:
        return self._request if isinstance(self._request, bytes) else self._request()

    def may_send(self) -> bool:
        """Whether one more may go out; if so, it is counted as sent."""
        self._sent += (more := self._sent < self._most)
        return more

    def count(self) -> None:
        self.answered += 1

    def end(self) -> None:
        """Time is up."""
        self._most = 0
        self.settle()

    def settle(self) -> None:
        if self._sent >= self._most and self.answered == self._sent and not self.finished.done():
            self.finished.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.finished.done():
            self.finished.set_exception(error)


class _Connection(asyncio.Protocol):
    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._head = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, registered nowhere

    def send(self) -> None:
        if self._crowd.may_send():
            self._transport.write(self._crowd.request())

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            whole = self._received(data)
        except AnswerError as error:
            self._crowd.fail(error)
            return
        if whole:
            self._crowd.count()
            self.send()
            self._crowd.settle()

    def connection_lost(self, error: Exception | None) -> None:
        self._crowd.fail(AnswerError(f"the server closed a connection ({error or 'without a word'})"))

    def _received(self, data: bytes) -> bool:
        """Whether the answer is now whole. Bodies are counted, not kept."""
        if self._left:
            self._left -= len(data)
            return self._left == 0
        self._head += data
        length = whole_length(self._head)
        if length is None:
            return False
        self._left = length - len(self._head)
        self._head = b""
        return self._left == 0
