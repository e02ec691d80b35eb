"""A proxy before a real engine that writes down, to the byte, what the bridge asks it to embed."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from tests.upstreams.server import Connection, Request, serve

EMBED_PATHS = ("/api/embed", "/v1/embeddings")


class Recorder:
    """`texts` holds the texts of every embed call since `clear`, as the engine would read them, in UTF-8."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.texts: list[bytes] = []

    def clear(self) -> None:
        self.texts = []

    async def __call__(self, request: Request, connection: Connection) -> None:
        if request.path in EMBED_PATHS:
            self.texts += [text.encode("utf-8", "strict") for text in request.json().get("input", ())]
        headers = {"Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, self._target + request.path, data=request.body, headers=headers) as answer,
        ):
            await connection.answer(answer.status, await answer.read(), answer.content_type)


@contextmanager
def recorder(target: str, *, port: int = 0) -> Iterator[tuple[str, Recorder]]:
    """The proxy's URL, and what it records, until the block ends."""
    recording = Recorder(target)
    with serve(recording, port=port) as url:
        yield url, recording
