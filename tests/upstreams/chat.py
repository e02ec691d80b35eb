"""Upstreams that chat as Ollama does on the wire, each named for what it does beside that."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import orjson

from tests.upstreams.server import JSON, Connection, Request

NDJSON, EVENTS = "application/x-ndjson", "text/event-stream"
WAIT = 20.0  # seconds
BLOCK = b"x" * 65536
TAGS = {
    "models": [
        {"name": "chatty:1b", "model": "chatty:1b", "capabilities": ["completion", "tools"]},
        {"name": "older:7b", "model": "older:7b"},
        {"name": "demo:latest", "model": "demo:latest", "capabilities": ["embedding"]},
        {"name": "other-embedder:latest", "model": "other-embedder:latest", "capabilities": ["embedding"]},
    ]
}


class Chat:
    """Answers at once. `received` has every request but those for pages."""

    def __init__(self) -> None:
        self.received: list[Request] = []

    async def __call__(self, request: Request, connection: Connection) -> None:
        if request.path == "/api/tags":
            await connection.answer(200, orjson.dumps(TAGS))
        elif request.path == "/api/show":
            known = request.json()["model"] == "chatty:1b"
            content = {"capabilities": ["completion"]} if known else {"error": "model not found"}
            await connection.answer(200 if known else 404, orjson.dumps(content))
        else:
            self.received.append(request)
            await self.chat(request, connection)

    async def chat(self, _: Request, connection: Connection) -> None:
        await connection.answer(200, b'{"message":{"content":"hello"},"done":true}', Access_Control_Allow_Origin="*")


class Slow(Chat):
    """Says one piece, and each further one when `go_on` is set: one who holds pieces back never gets the next."""

    def __init__(self, pieces: Sequence[bytes], content_type: str) -> None:
        super().__init__()
        self.go_on = threading.Semaphore(1)
        self._pieces, self._content_type = pieces, content_type

    async def chat(self, _: Request, connection: Connection) -> None:
        await head(connection, self._content_type)
        for piece in self._pieces:
            await asyncio.to_thread(self.go_on.acquire, timeout=WAIT)
            await chunk(connection, piece)
        await connection.write(b"0\r\n\r\n")


class Endless(Chat):
    """Never stops; `left` is set when it learns that nobody listens any more."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__()
        self.began, self.left = threading.Event(), threading.Event()
        self._silent = silent

    async def chat(self, _: Request, connection: Connection) -> None:
        if not self._silent:
            await head(connection, NDJSON)
        self.began.set()
        try:
            while not self._silent:
                await chunk(connection, b'{"message":{"content":"and"}}\n')
                await asyncio.sleep(0.01)
            await connection.closed()
        except ConnectionError:
            pass
        self.left.set()


class Flood(Chat):
    """Sends `blocks` of 64 KiB as fast as they are taken; `sent` counts them, `left` is set where they are not."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.sent = 0
        self.blocks = blocks
        self.left = threading.Event()

    async def chat(self, _: Request, connection: Connection) -> None:
        await head(connection, NDJSON)
        try:
            for _number in range(self.blocks):
                await chunk(connection, BLOCK)
                self.sent += 1
            await connection.write(b"0\r\n\r\n")
        except ConnectionError:
            self.left.set()


class BreaksOff(Chat):
    """Is killed in the middle of an answer."""

    async def chat(self, _: Request, connection: Connection) -> None:
        await head(connection, NDJSON)
        await chunk(connection, b'{"message":{"content":"I was about to"}}\n')
        connection.close()


class Refuses(Chat):
    """In Ollama's words."""

    async def chat(self, request: Request, connection: Connection) -> None:
        error = b'{"error":"model \'gone\' not found"}'
        if request.path.startswith("/v1/"):
            error = (
                b'{"error":{"message":"model \'gone\' not found","type":"not_found_error","param":null,"code":null}}'
            )
        await connection.answer(404, error, JSON)


async def head(connection: Connection, content_type: str) -> None:
    lines = (
        "HTTP/1.1 200 OK",
        f"Content-Type: {content_type}",
        "Transfer-Encoding: chunked",
        "X-Own: no one's",
        "",
        "",
    )
    await connection.write("\r\n".join(lines).encode())


async def chunk(connection: Connection, piece: bytes) -> None:
    await connection.write(b"%x\r\n%b\r\n" % (len(piece), piece))
