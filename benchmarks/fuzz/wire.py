"""One connection to a bridge on this machine: pieces are written, answers are read, with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from benchmarks.fuzz.case import Answer, Came, Try

BOUND = 30.0  # seconds for all answers of a connection
HOSTS = ("127.0.0.1",)
PAUSE = 0.002  # seconds between two pieces, so that they arrive as two


async def exchange(url: str, tried: Try, bound: float = BOUND) -> Came:
    """Write the pieces, close our half, read to the end, or until all is answered.

    ValueError for an address that is not this machine's own.
    """
    where = urlsplit(url)
    if where.hostname not in HOSTS or where.port is None:
        raise ValueError(f"{url} is not on {' or '.join(HOSTS)}: nothing else is fuzzed")
    try:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
    except OSError as error:
        return Came(refused=str(error))
    came, late = Incoming([sent.method for sent in tried.sent]), False
    writing = asyncio.create_task(_write(writer, tried))
    try:
        async with asyncio.timeout(bound):
            while piece := await reader.read(65536):
                came.feed(piece)
                # Whatever keeps a connection open that was asked to be closed is no reason to wait.
                if tried.whole and len(came.answers) == len(tried.sent):
                    break
    except TimeoutError:
        late = True
    except ConnectionError:  # it was reset: what came before counts
        pass
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await writing
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    answers = tuple(came.answers)
    return Came(answers, late and (len(answers) < len(tried.sent) or not answers), came.rest)


async def _write(writer: asyncio.StreamWriter, tried: Try) -> None:
    for number, piece in enumerate(tried.pieces):
        if number:
            await asyncio.sleep(PAUSE)
        writer.write(piece)
        await writer.drain()
    if not tried.whole:  # anyone who waits for more of it shall see that no more comes
        writer.write_eof()


class Incoming:
    """Whole answers out of the bytes of a connection, interim ones left out. Each byte is looked at once: an answer of
    100 MB comes in thousands of pieces.

    Attributes:
        answers: those that have come whole.
    """

    def __init__(self, methods: Sequence[str]) -> None:
        self.answers: list[Answer] = []
        self._methods = methods
        self._data = bytearray()
        self._start = 0  # of the answer that is coming
        self._chunks = bytearray()
        self._next_chunk = 0  # 0: none of its chunks has come

    @property
    def rest(self) -> bytes:
        """What is behind the last whole answer."""
        return bytes(self._data[self._start :])

    def feed(self, piece: bytes) -> None:
        self._data += piece
        while self._taken():
            pass

    def _taken(self) -> bool:
        """Whether one more answer had come whole."""
        end = self._data.find(b"\r\n\r\n", self._start)
        if end < 0 or not self._data.startswith(b"HTTP/1.", self._start):
            return False
        first, *lines = self._data[self._start : end].decode("latin-1").split("\r\n")
        status = int(first.split(" ", 2)[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method = self._methods[len(self.answers)] if len(self.answers) < len(self._methods) else ""
        bare = method == "HEAD" or status < 200 or status in (204, 304)
        found = (b"", end + 4) if bare else self._body(end + 4, headers)
        if found is None:
            return False
        body, self._start = found
        if status >= 200:
            self.answers.append(Answer(status, headers, body))
        return True

    def _body(self, start: int, headers: dict[str, str]) -> tuple[bytes, int] | None:
        """The body, and where it ends; None where it has not come whole."""
        if "chunked" in headers.get("transfer-encoding", ""):
            return self._chunked(start)
        end = start + int(headers.get("content-length", len(self._data) - start))
        return None if len(self._data) < end else (bytes(self._data[start:end]), end)

    def _chunked(self, start: int) -> tuple[bytes, int] | None:
        at = self._next_chunk or start
        while (line := self._data.find(b"\r\n", at)) >= 0:
            size = int(self._data[at:line].partition(b";")[0], 16)
            end = line + 2 + size
            if len(self._data) < end + 2:
                break
            self._chunks += self._data[line + 2 : end]
            at = end + 2
            if not size:
                body, self._chunks, self._next_chunk = bytes(self._chunks), bytearray(), 0
                return body, at
        self._next_chunk = at
        return None
