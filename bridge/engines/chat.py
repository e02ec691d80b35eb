"""The Ollama behind a bridge that also chats: one request on a connection of its own, its answer as it comes."""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import httptools

from embedstack.bridge.backends.base import EngineDied, EngineDown
from embedstack.bridge.backends.connection import MOST_HEAD
from embedstack.bridge.backends.http import Address, EngineClient, without_password
from embedstack.bridge.errors import BridgeError, EngineTimeout
from embedstack.bridge.settings.structs import Passthrough
from embedstack.bridge.text.names import Names

READ = 64 * 1024  # bytes
# Of Ollama's own headers. Its CORS headers are not ours, and the rest speaks of its connection.
_PASSED_BACK = (b"content-type", b"content-length", b"retry-after", b"cache-control")
_ADVICE = "See its log, or correct passthrough.ollama."


class ChatUpstream:
    """Ollama at `settings.base_url`."""

    def __init__(self, settings: Passthrough, connect_timeout: float) -> None:
        assert settings.base_url is not None  # noqa: S101 -- made only where there is one
        self.url = without_password(settings.base_url)
        self._silence = settings.silence
        self._connect_timeout = connect_timeout
        self._address = Address.of(settings.base_url)
        self._pages = EngineClient(
            settings.base_url, api_key=None, timeout=connect_timeout, connect_timeout=connect_timeout
        )

    async def open(self, path: str, length: int | None) -> "Exchange":
        """A POST whose body is to follow: `length` bytes, None where nobody knows. EngineDown."""
        if self._address is None:
            raise EngineDown(f"{self.url} is not an address of an Ollama.", "Correct passthrough.ollama.")
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        head = f"POST {self._address.path}{path} HTTP/1.1\r\n{self._address.head(None)}Connection: close\r\n{framing}"
        reader, writer = await self._connected(self._address, self._address.context())
        writer.write(f"{head}\r\n\r\n".encode("latin-1"))
        return Exchange(self.url, reader, writer, self._silence, chunked=length is None)

    async def models(self, ours: Names) -> list[dict[str, Any]]:
        """Ollama's own entries of /api/tags for what can be used through a bridge that answers to `ours` itself: no
        other model that only embeds. None where Ollama does not answer: what is ours is there all the same.
        """
        try:
            answer = await self._pages.get("/api/tags")
            entries = answer.json().get("models") if answer.status == 200 else None
        except BridgeError:
            return []
        listed = entries if isinstance(entries, list) else []
        return [entry for entry in listed if isinstance(entry, dict) and _chats(entry) and not _is_ours(entry, ours)]

    async def shown(self, name: str) -> dict[str, Any] | None:
        """What Ollama shows of a model; None where it has none of that name."""
        answer = await self._pages.post("/api/show", {"model": name})
        return answer.json() if answer.status == 200 else None

    async def close(self) -> None:
        await self._pages.close()

    async def _connected(
        self, address: Address, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await asyncio.open_connection(address.host, address.port, ssl=context, limit=READ)
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            why = getattr(error, "strerror", None) or error or "no connection in time"
            raise EngineDown(f"No Ollama answers at {self.url} ({why}).", "Start it, or correct it.") from error


def _chats(entry: dict[str, Any]) -> bool:
    """An older Ollama does not say here what a model can do."""
    return isinstance(entry.get("name"), str) and "completion" in (entry.get("capabilities") or ["completion"])


def _is_ours(entry: dict[str, Any], ours: Names) -> bool:
    try:
        ours.resolve(entry["name"])
    except BridgeError:
        return False
    return True


class Exchange:
    """A request that is sent and its answer that is read piece by piece, no faster than it is taken."""

    def __init__(
        self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence: float, *, chunked: bool
    ) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._url = url
        self._reader, self._writer = reader, writer
        self._silence = silence
        self._chunked = chunked
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: deque[bytes] = deque()
        self._framed = self._complete = False
        self._size = 0

    async def send(self, chunk: bytes) -> None:
        """A part of the body. An upstream may have answered already and take no more: its answer says why."""
        if not chunk:
            return
        framed = b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk
        with contextlib.suppress(ConnectionError):
            self._writer.write(framed)
            await self._writer.drain()

    async def answered(self) -> None:
        """The body is sent: wait for `status` and `headers`. EngineDied, EngineTimeout."""
        if self._chunked:
            with contextlib.suppress(ConnectionError):
                self._writer.write(b"0\r\n\r\n")
        while not self.status:
            await self._more()

    async def body(self) -> AsyncIterator[bytes]:
        """The answer's body as it comes. EngineDied, EngineTimeout."""
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            if self._complete:
                return
            await self._more()

    def close(self) -> None:
        """At once: Ollama stops a generation whose client has gone."""
        self._writer.transport.abort()

    async def _more(self) -> None:
        try:
            async with asyncio.timeout(self._silence):
                data = await self._reader.read(READ)
        except TimeoutError as error:
            message = f"Ollama at {self._url} was silent for {self._silence:g} s."
            raise EngineTimeout(message, "See its load, or raise passthrough.silence.") from error
        except OSError as error:
            raise self._broken(type(error).__name__) from error
        if data:
            self._feed(data)
        elif self.status and not self._framed:
            self._complete = True  # an answer without a length ends with its connection
        else:
            raise self._broken("closed")

    def _feed(self, data: bytes) -> None:
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise self._broken(f"no HTTP: {error}") from error
        if not self.status and self._size > MOST_HEAD:
            raise self._broken(f"a head of more than {MOST_HEAD} bytes")

    def _broken(self, why: str) -> EngineDied:
        return EngineDied(f"Ollama at {self._url} broke off in the middle of an answer ({why}).", _ADVICE)

    # -- what the parser calls -----------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._framed = self._framed or name in (b"content-length", b"transfer-encoding")
        if name in _PASSED_BACK:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status
        else:  # an interim answer: the real one follows
            self.headers, self._framed = [], False

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._complete = bool(self.status)
