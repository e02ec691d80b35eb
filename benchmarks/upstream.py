"""A fast scripted engine, in a process of its own: `python -m benchmarks.upstream PORT FILE`.

It computes nothing: a text that FILE has gets the vector of the real engine that stands there, any other text the
last one. So it passes the bridge's start-up gate honestly, and costs a few dozen microseconds a request: what is
measured behind it is what stands before it.
"""

import asyncio
import base64
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import orjson
import uvloop

from benchmarks.shapes import MODEL

VERSION = "scripted"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text, its tokens (EOS included) and its vector, as the real engine answered them."""

    text: str
    tokens: int
    vector: list[float]


class Script:
    """Answers of an Ollama and of an OpenAI-shaped engine with the model `demo`."""

    def __init__(self, known: Sequence[Known]) -> None:
        self._vectors = np.array([one.vector for one in known], np.float32)
        self._tokens = [one.tokens for one in known]
        self._rows = {one.text: row for row, one in enumerate(known)}
        self._embedded = lru_cache(maxsize=256)(self._embed)
        self._pages = {
            b"/": _answer("Ollama is running"),
            b"/v1/models": _answer({"object": "list", "data": [{"id": MODEL, "object": "model"}]}),
            b"/api/version": _answer({"version": VERSION}),
            b"/api/show": _answer({"model_info": {}, "details": {"quantization_level": "F16"}}),
            b"/api/tags": _answer({"models": [{"name": MODEL, "model": MODEL}]}),
            b"/api/ps": _answer({"models": [{"name": MODEL, "model": MODEL, "context_length": 8192}]}),
        }

    def answer(self, path: bytes, body: bytes) -> bytes:
        if path not in (b"/v1/embeddings", b"/api/embed"):
            return self._pages.get(path) or _answer({"error": "not found"}, b"404 Not Found")
        asked = orjson.loads(body)
        texts = asked.get("input") or []
        rows = tuple(self._rows.get(text, -1) for text in ([texts] if isinstance(texts, str) else texts))
        return self._embedded(path, asked.get("encoding_format", "float"), rows)

    def _embed(self, path: bytes, encoding: str, rows: tuple[int, ...]) -> bytes:
        vectors, tokens = self._vectors[list(rows)], sum(self._tokens[row] for row in rows)
        if path == b"/api/embed":
            timing = {"total_duration": 1, "load_duration": 0, "prompt_eval_count": tokens}
            return _answer({"model": MODEL, "embeddings": vectors, **timing})
        entries = [
            {"object": "embedding", "index": index, "embedding": _base64(vector) if encoding == "base64" else vector}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return _answer({"object": "list", "data": entries, "model": MODEL, "usage": usage})


class Connection(asyncio.Protocol):
    """HTTP/1.1 with Content-Length, kept alive, which is all that the servers before it send."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, registered nowhere

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self._received, 0, end)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < stop:
                return
            path = self._received[:end].split(b" ", 2)[1]
            self._transport.write(self._script.answer(path, self._received[end + 4 : stop]))
            self._received = self._received[stop:]


def _answer(value: Any, status: bytes = b"200 OK") -> bytes:
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return _HEAD % (status, len(body)) + body


def _base64(vector: npt.NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


async def _serve(port: int, script: Script) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(script), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    known = msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=list[Known])
    uvloop.run(_serve(int(sys.argv[1]), Script(known)))


if __name__ == "__main__":
    main()
