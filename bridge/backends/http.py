"""One HTTP exchange with an engine, and what each way of going wrong is called."""

import re
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from bridge.backends.base import EngineDied, EngineDown
from bridge.errors import EngineAnswerInvalid, EngineNotReady, EngineTimeout

# An engine's error text goes into an answer and a log line: enough to recognise it, not a page of HTML.
EXCERPT = 300
# To the last @: a password may itself hold one, or a slash.
_CREDENTIALS = re.compile(r"//\S*@")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        """EngineAnswerInvalid where the body is no JSON object."""
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


def without_password(url: str) -> str:
    """A URL as it may stand in a log line or an answer: `http://user:secret@host` -> `http://host`."""
    return _CREDENTIALS.sub("//", url)


class EngineClient:
    """A pooled connection to one engine. `timeout` bounds a whole exchange, in seconds; `url` is for people."""

    def __init__(self, url: str, *, api_key: str | None, timeout: float, connect_timeout: float) -> None:
        self.url = without_password(url.rstrip("/"))
        self._base = self.url if api_key else url.rstrip("/")  # aiohttp refuses to send a key and a password
        # Unpacking is left out on purpose (auto_decompress below): vectors on a loopback wire are not worth packing.
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=connect_timeout)
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str) -> Answer:
        return await self._exchange("GET", path, None)

    async def post(self, path: str, body: dict[str, Any]) -> Answer:
        return await self._exchange("POST", path, orjson.dumps(body))

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def _exchange(self, method: str, path: str, data: bytes | None) -> Answer:
        try:
            async with self._open().request(method, self._base + path, data=data, headers=self._headers) as response:
                return Answer(response.status, await response.read())
        except (aiohttp.InvalidURL, UnicodeError) as error:
            raise EngineNotReady(f"{self.url} is no address of an engine.", "Correct engine.url.") from error
        except aiohttp.ConnectionTimeoutError as error:
            raise EngineDown(
                f"No engine answers at {self.url} (no connection within {self._timeout.sock_connect:g} s).",
                "Start it, correct engine.url, or raise engine.connect_timeout.",
            ) from error
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise EngineTimeout(
                f"The engine at {self.url} did not answer in {self._timeout.total:g} s.",
                "Look at its load and log, or raise engine.timeout.",
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise EngineDown(
                f"No engine answers at {self.url} ({error.strerror or error}).", "Start it, or correct engine.url."
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise EngineDied(
                f"The engine at {self.url} broke off in the middle of a request ({type(error).__name__}).",
                "Look at its log.",
            ) from error

    def _open(self) -> aiohttp.ClientSession:
        """Made at first use: a session belongs to the running event loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, auto_decompress=False)
        return self._session
