"""An HTTP/1.1 server that can do what a well-behaved one never does: break off, reset, stall. It runs in a thread."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
# Closing sends RST instead of FIN: linger on, for no time.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """What a client sent; header names in lower case, the body to the byte."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body.decode("utf-8", "strict"))


class Connection:
    """The connection on which a request came, and every way to answer it or not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.requests = 0

    async def answer(self, status: int, body: bytes, content_type: str = JSON, **headers: str) -> None:
        await self.head(status, len(body), content_type, **headers)
        await self.write(body)

    async def head(self, status: int, length: int, content_type: str = JSON, **headers: str) -> None:
        """The head alone; it promises `length` bytes, which the caller may send or not."""
        lines = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {content_type}", f"Content-Length: {length}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def closed(self) -> None:
        """Wait until the client has closed; ConnectionError where it did not say goodbye."""
        await self._reader.read(1)

    def close(self) -> None:
        """End as a server that exits does."""
        self._writer.close()

    def reset(self) -> None:
        """End as a server that is killed does."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()


Handler = Callable[[Request, Connection], Awaitable[None]]


@contextmanager
def serve(handler: Handler, *, port: int = 0) -> Iterator[str]:
    """Answer requests with `handler`, one after another on each connection, until the block ends; yields the URL."""
    running: Future[tuple[str, Callable[[], object]]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_run(handler, port, running)), name="upstream")
    thread.start()
    url, stop = running.result(10)
    try:
        yield url
    finally:
        stop()
        thread.join(10)


async def _run(handler: Handler, port: int, running: Future[tuple[str, Callable[[], object]]]) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        tasks.add(asyncio.current_task())  # the loop itself would let go of a handler that waits for nothing
        # Cancelled is what a handler that hangs on purpose is at the end.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while request := await _read(reader):
                connection.requests += 1
                await handler(request, connection)
        writer.close()

    tasks: set[asyncio.Task[None] | None] = set()
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    server = await asyncio.start_server(connected, "127.0.0.1", port)
    port = server.sockets[0].getsockname()[1]
    running.set_result((f"http://127.0.0.1:{port}", lambda: loop.call_soon_threadsafe(stopped.set)))
    await stopped.wait()
    server.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None when the client has closed."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        return Request(method, path, headers, await _unchunked(reader))
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _unchunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body
