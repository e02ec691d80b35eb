"""One HTTP exchange with an engine, and what each way of going wrong is called."""

import asyncio
import re
import ssl
from base64 import b64encode
from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from embedstack import __version__
from embedstack.bridge.backends.base import EngineDied, EngineDown, EngineGarbled, EngineKilled
from embedstack.bridge.backends.child import killed_for_memory
from embedstack.bridge.backends.connection import MOST_BODY, BrokenOffError, Connection, NonsenseError, Raw
from embedstack.bridge.errors import EngineAnswerInvalid, EngineNotReady, EngineTimeout
from embedstack.host.addresses import is_loopback

# Bytes of an answer that is not vectors: the largest is Ollama's vocabulary, some 10 MB.
MOST_PAGE = 64 * 1024 * 1024
# Of one that is: a number in JSON takes up to 25 bytes, and in a list written for people 40. Beside that there is room
# for words, and for vectors of another model, which are named as that.
NUMBER, WORDS = 40, 1024 * 1024
# An engine's error text goes into an answer and a log line: enough to recognise it, not a page of HTML.
EXCERPT = 300
# Seconds after which a connection that nobody used is not used again.
KEPT = 30.0
# Seconds of idleness after which an engine may have begun to close it (vLLM does after 5).
IDLE = 1.0
DISTRUST = 60.0  # seconds
UNIX = "unix://"
# To the last @: a password may itself hold one, or a slash.
_CREDENTIALS = re.compile(r"//\S*@")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        """EngineAnswerInvalid where the body is not JSON object."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise EngineAnswerInvalid(
                f"The engine answered {self.status} with something that is not JSON: {self.excerpt()!r}.",
                "Check that the configured URL is the engine's own, not a proxy's or a web page's.",
            )
        return value

    def excerpt(self) -> str:
        return self.body[:EXCERPT].decode("utf-8", "replace")


def most_of(texts: int, dimensions: int | None) -> int:
    """Bytes that an answer with so many vectors can have; without a size there is no telling."""
    return MOST_BODY if dimensions is None else WORDS + texts * dimensions * NUMBER


def without_password(url: str) -> str:
    """A URL as it may stand in a log line or an answer: `http://user:secret@host` -> `http://host`."""
    return _CREDENTIALS.sub("//", url)


class EngineClient:
    """Connections to one engine, kept open. `timeout` bounds a whole exchange, in seconds; `url` is for people,
    `prefix` begins every path and is never shown.
    """

    def __init__(
        self, url: str, *, api_key: str | None, timeout: float, connect_timeout: float, prefix: str = ""
    ) -> None:
        self.url = without_password(url.rstrip("/"))
        self._prefix = prefix
        self._address = Address.of(url.rstrip("/"))
        self._head = self._address.head(api_key) if self._address else ""
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._distrusted_until = 0.0
        self._killed_for_memory = killed_for_memory()
        self._idle: deque[Connection] = deque()
        self._closed = False
        self._open: set[Connection] = set()

    async def get(self, path: str) -> Answer:
        return await self._exchange("GET", path, b"", MOST_PAGE)

    async def post(self, path: str, body: dict[str, Any], most: int = MOST_PAGE) -> Answer:
        """`most` bytes of an answer; EngineGarbled where it has more."""
        return await self._exchange("POST", path, orjson.dumps(body), most)

    async def close(self) -> None:
        self._closed = True
        for connection in (*self._open, *self._idle):
            connection.close()
        self._idle.clear()

    async def _exchange(self, method: str, path: str, body: bytes, most: int) -> Answer:
        if self._address is None:
            raise EngineNotReady(f"{self.url} is not an address of an engine.", "Correct engine.url.")
        path = f"{self._address.path}{self._prefix}{path}"
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        request = head.encode("latin-1") + body
        began = asyncio.get_running_loop().time()
        try:
            raw = await self._sent(request, began, most)
        except TimeoutError as error:
            raise EngineTimeout(
                f"The engine at {self.url} did not answer in {self._timeout:g} s.",
                "Look at its load and log, or raise engine.timeout.",
            ) from error
        except NonsenseError as error:
            raise EngineGarbled(
                f"The bridge broke off the answer of the engine at {self.url}: {error}.",
                "Check that engine.url is the engine's own address, and look at its log.",
            ) from error
        except BrokenOffError as error:
            raise self._died(error) from error
        if raw.encoding not in ("", "identity"):
            raise EngineAnswerInvalid(
                f"The engine at {self.url} answered in {raw.encoding!r}, which was not asked for.",
                "Switch compression off at the proxy before it.",
            )
        return Answer(raw.status, raw.body)

    def _died(self, error: BrokenOffError) -> EngineDied:
        """Of an engine on this machine the kernel may know more."""
        said = f"The engine at {self.url} broke off in the middle of a request ({error})."
        before, self._killed_for_memory = self._killed_for_memory, killed_for_memory()
        if self._address and self._address.is_here and self._killed_for_memory > before:
            why = "This machine's out-of-memory killer was at work meanwhile: it needs more memory, or a smaller model."
            return EngineKilled(f"{said} {why}", "No text is at fault. Look at `journalctl -k`.")
        return EngineDied(said, "Look at its log.")

    async def _sent(self, request: bytes, began: float, most: int) -> Raw:
        """On a connection that is open; where that ended without a byte of an answer after standing idle, as one does
        that the engine was just closing, once more on a new one.
        """
        connection = self._kept(began)
        if connection is not None:
            idle = began - connection.idle_since
            try:
                return await self._through(connection, request, self._timeout, most)
            except BrokenOffError as error:
                if error.untouched:
                    self._distrust()
                if not error.untouched or idle < IDLE or self._closed:
                    raise
                broken = error
            try:
                fresh = await self._connected()
            except EngineDown as down:
                raise broken from down  # it was there a moment ago: this request may have ended it
            return await self._through(fresh, request, self._left(began), most)
        fresh = await self._connected()
        return await self._through(fresh, request, self._left(began), most)

    def _left(self, began: float) -> float:
        """Seconds of the whole exchange that are not used up."""
        return max(0.001, self._timeout - (asyncio.get_running_loop().time() - began))

    async def _through(self, connection: Connection, request: bytes, seconds: float, most: int) -> Raw:
        self._open.add(connection)
        try:
            raw = await connection.exchange(request, seconds, most)
        finally:
            self._open.discard(connection)
        now = asyncio.get_running_loop().time()
        if connection.reusable and now >= self._distrusted_until and not self._closed:
            connection.idle_since = now
            self._idle.append(connection)
            while now - self._idle[0].idle_since > KEPT:  # left over from a crowd: the last used goes first
                self._idle.popleft().close()
        else:
            connection.close()
        return raw

    def _kept(self, now: float) -> Connection | None:
        """The connection that was used last; those that were idle for too long are closed."""
        while self._idle:
            connection = self._idle.pop()
            if now - connection.idle_since < KEPT and connection.reusable:
                return connection
            connection.close()
        return None

    def _distrust(self) -> None:
        """A connection was closed under a request. For a while each request gets one of its own: there are servers that
        close every connection after one answer and do not say so.
        """
        self._distrusted_until = asyncio.get_running_loop().time() + DISTRUST
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _connected(self) -> Connection:
        assert self._address is not None  # noqa: S101 -- looked at before
        try:
            async with asyncio.timeout(self._connect_timeout):
                connection = await self._address.connect()
        except TimeoutError as error:
            raise EngineDown(
                f"No engine answers at {self.url} (no connection within {self._connect_timeout:g} s).",
                "Start it, correct engine.url, or raise engine.connect_timeout.",
            ) from error
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise EngineDown(f"No engine answers at {self.url} ({why}).", "Start it, or correct engine.url.") from error
        return connection


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart. `user` as `name:password`; `socket` is the path of `unix:///PATH`, "" for a host and port."""

    host: str
    port: int
    netloc: str
    path: str
    secure: bool
    user: str
    socket: str = ""

    @classmethod
    def of(cls, url: str) -> "Address | None":
        """None for what is not an address at all."""
        if url.startswith(UNIX):
            return cls("", 0, "localhost", "", secure=False, user="", socket=url.removeprefix(UNIX))
        try:
            parts = urlsplit(url)
            port = parts.port if parts.port is not None else 443 if parts.scheme == "https" else 80
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.isascii():
            return None
        user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if parts.username else ""
        netloc = parts.netloc.rpartition("@")[2]
        if not netloc.isascii() or not netloc.isprintable() or " " in netloc + parts.path:
            return None
        return cls(parts.hostname, port, netloc, parts.path, parts.scheme == "https", user)

    @property
    def is_here(self) -> bool:
        """Whether it surely is this machine's."""
        return bool(self.socket) or is_loopback(self.host)

    def head(self, api_key: str | None) -> str:
        """The lines that every request has."""
        lines = [f"Host: {self.netloc}", "Accept: */*", "Accept-Encoding: identity", "Content-Type: application/json"]
        if api_key:
            lines.append(f"Authorization: Bearer {api_key.encode().decode('latin-1')}")
        elif self.user:
            lines.append(f"Authorization: Basic {b64encode(self.user.encode()).decode()}")
        return "".join(f"{line}\r\n" for line in [*lines, f"User-Agent: embedstack/{__version__}"])

    async def connect(self) -> Connection:
        """OSError, UnicodeError."""
        loop = asyncio.get_running_loop()
        if self.socket:
            return (await loop.create_unix_connection(Connection, self.socket))[1]
        return (await loop.create_connection(Connection, self.host, self.port, ssl=self.context()))[1]

    def context(self) -> ssl.SSLContext | None:
        return _tls() if self.secure else None


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
