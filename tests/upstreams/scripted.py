"""A real engine's vectors behind Ollama's or OpenAI's API, and a named fault whenever a test asks for one."""

import base64
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
import numpy.typing as npt
import orjson

from embedstack.models import catalog
from tests.upstreams.apis import MODEL, Api, Object
from tests.upstreams.server import Connection, Request, serve

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Call:
    """An embed call that has arrived, and what a right answer to it would hold."""

    api: Api
    request: Object
    rows: list[Vector]
    tokens: int
    accepts: str  # its Accept-Encoding

    def body(self, rows: Sequence[Any] | None = None) -> bytes:
        """The right answer in the API's shape, or that of other rows."""
        return orjson.dumps(self.api.answer(self.rows if rows is None else rows, self.tokens, self.request))


_REFERENCE = catalog.load().find("demo").model.reference
GOLDEN = frozenset(_REFERENCE.texts if _REFERENCE else ())
# Answers a call, or does not.
Fault = Callable[[Call, Connection], Awaitable[None]]


async def good(call: Call, connection: Connection) -> None:
    """No fault: the engine's own vectors."""
    await connection.answer(200, call.body())


class Scripted:
    """`engine` is the URL of a real OpenAI-shaped engine. `received` holds the body of every embed call, in order."""

    def __init__(self, engine: str, api: Api) -> None:
        self.api = api
        self.received: list[Object] = []
        self._engine = engine
        self._faults: list[Fault] = []
        self._then: Fault = good
        self._check: Fault = good
        self._by_text: Mapping[str, Fault] = {}
        self._known: dict[str, tuple[Vector, int]] = {}

    def play(
        self, *faults: Fault, then: Fault = good, texts: Mapping[str, Fault] | None = None, check: Fault = good
    ) -> None:
        """Forget what was received. One fault a call, and `then` for ever; a call that holds one of `texts` gets that
        text's fault, each time, whichever call it is; the golden texts, by which the bridge checks an engine that
        failed, get `check`, and are not counted.
        """
        self.received, self._faults, self._then, self._by_text = [], list(faults), then, texts or {}
        self._check = check

    @property
    def sizes(self) -> list[int]:
        """How many texts each call had; 0 is a call that only sets how long the model stays."""
        return [len(body.get("input", ())) for body in self.received]

    def vectors(self, texts: Sequence[str]) -> Vector:
        """The engine's own vectors (n, d) of texts that it has been asked for."""
        return np.stack([self._known[text][0] for text in texts])

    async def __call__(self, request: Request, connection: Connection) -> None:
        if request.path == self.api.embed_path:
            body = request.json()
            golden = 0 < len(set(body.get("input", ())) & GOLDEN) == len(set(body["input"]))
            if not golden:
                self.received.append(body)
            call = await self._call(body, request.headers.get("accept-encoding", ""))
            fault = self._check if golden else self._fault_for(body.get("input", ()))
            await fault(call, connection)
        elif page := self.api.pages.get(request.path):
            await connection.answer(200, orjson.dumps(page))
        else:
            await connection.answer(404, b"404 page not found", "text/plain")

    def _fault_for(self, inputs: Sequence[Any]) -> Fault:
        if not inputs:
            return good
        special = [self._by_text[text] for text in inputs if text in self._by_text]
        if special:
            return special[0]
        return self._faults.pop(0) if self._faults else self._then

    async def _call(self, body: Object, accepts: str) -> Call:
        known = [await self._row(item) for item in body.get("input", ())]
        return Call(self.api, body, [vector for vector, _ in known], sum(tokens for _, tokens in known), accepts)

    async def _row(self, item: str) -> tuple[Vector, int]:
        """The engine's own vector of a text, and its tokens; each is computed once."""
        if item not in self._known:
            body = {"model": MODEL, "input": [item], "encoding_format": "base64"}
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{self._engine}/v1/embeddings", json=body) as response,
            ):
                answer = await response.json()
            vector = np.frombuffer(base64.b64decode(answer["data"][0]["embedding"]), dtype="<f4")
            self._known[item] = vector, answer["usage"]["prompt_tokens"]
        return self._known[item]


@contextmanager
def scripted(engine: str, api: Api, *, port: int = 0) -> Iterator[tuple[str, Scripted]]:
    """The upstream's URL, and its script, until the block ends."""
    script = Scripted(engine, api)
    with serve(script, port=port) as url:
        yield url, script
