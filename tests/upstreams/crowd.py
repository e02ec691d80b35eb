"""Many clients at the same moment, each on a connection of its own, as Open WebUI sends a document."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """An answer, and the moment on the loop's clock when it was whole; status 0 for a connection that broke."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Crowd:
    """Requests in flight. `leave` closes the connections of all that have no answer yet."""

    url: str
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def ask(self, text: str, headers: Mapping[str, str] | None = None, **fields: object) -> Reply:
        """One text to /api/embed."""
        where = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        self.writers.append(writer)
        body = json.dumps({"model": "demo", "input": [text], **fields}).encode()
        sent = {"Host": where.netloc, "Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        try:
            writer.write(f"POST /api/embed HTTP/1.1\r\n{head}\r\n".encode() + body)
            return _reply(await reader.read(), asyncio.get_running_loop().time())
        except ConnectionError:
            return Reply(0, {}, b"", asyncio.get_running_loop().time())
        finally:
            writer.close()

    async def ask_all(self, texts: Sequence[str], **fields: object) -> list[Reply]:
        return await asyncio.gather(*(self.ask(text, **fields) for text in texts))

    def leave(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """TimeoutError where it does not come true in so many seconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- it is looked at from outside
            await asyncio.sleep(0.005)


def _reply(data: bytes, at: float) -> Reply:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Reply(int(first.split(" ")[1]) if first else 0, headers, body, at)
