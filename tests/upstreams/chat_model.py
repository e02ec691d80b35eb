"""A chat model on Ollama's API that answers by a script: what it was given to read comes back in its answer.

With a real Ollama behind it, it is one more model of that Ollama: everything else is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson

from tests.upstreams.chat import NDJSON, chunk, head
from tests.upstreams.server import Connection, Request, serve

MODEL = "reads-aloud:latest"
NOTHING = "I was given nothing to read."
Object = dict[str, Any]
DETAILS: Object = {"format": "gguf", "family": "scripted", "parameter_size": "1B", "quantization_level": "F16"}
ENTRY: Object = {
    "name": MODEL,
    "model": MODEL,
    "modified_at": "2026-01-01T00:00:00Z",
    "size": 1_000_000,
    "digest": "c0ffee" + 58 * "0",
    "details": DETAILS,
    "capabilities": ["completion"],
}
PAGES: Mapping[str, Object] = {
    "/api/version": {"version": "0.34.4"},
    "/api/tags": {"models": []},
    "/api/ps": {"models": []},
}
SOURCE = re.compile(r"<source\b[^>]*>(.*?)</source>", re.DOTALL)
QUESTION = re.compile(r"^USER: (.*?)\s*(?=^(?:ASSISTANT|USER): |</chat_history>)", re.DOTALL | re.MULTILINE)
PIECE = 24  # characters in one line of a stream


class ChatModel:
    """`asked` has the messages of every chat since the start, Open WebUI's own for titles and search queries too."""

    def __init__(self, ollama: str | None) -> None:
        self.asked: list[Sequence[Object]] = []
        self._ollama = ollama

    async def __call__(self, request: Request, connection: Connection) -> None:
        body = request.json() if request.path in ("/api/chat", "/api/show") else {}
        if body.get("model") in (MODEL, MODEL.removesuffix(":latest")):
            await (self._chat if request.path == "/api/chat" else _show)(body, connection)
        elif request.path == "/api/tags":
            reply = orjson.loads((await self._elsewhere(request))[1])
            await connection.answer(200, orjson.dumps({"models": [ENTRY, *reply["models"]]}))
        else:
            await connection.answer(*await self._elsewhere(request))

    async def _chat(self, body: Object, connection: Connection) -> None:
        self.asked.append(body["messages"])
        said = answer(body["messages"])
        if not body.get("stream", True):
            return await connection.answer(200, _line(said, done=True))
        await head(connection, NDJSON)
        for start in range(0, len(said), PIECE):
            await chunk(connection, _line(said[start : start + PIECE], done=False) + b"\n")
        await chunk(connection, _line("", done=True) + b"\n")
        return await connection.write(b"0\r\n\r\n")

    async def _elsewhere(self, request: Request) -> tuple[int, bytes, str]:
        """What the real Ollama answers; without one, what an Ollama with no model would."""
        if self._ollama is None:
            page = PAGES.get(request.path, {"error": "model not found"})
            return 200 if request.path in PAGES else 404, orjson.dumps(page), "application/json"
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, self._ollama + request.path, data=request.body) as answer,
        ):
            return answer.status, await answer.read(), answer.content_type


def answer(messages: Sequence[Object]) -> str:
    """The sources in what the user said last, word for word; asked for search queries, the question itself. Pure."""
    said = next((str(message["content"]) for message in reversed(messages) if message["role"] == "user"), "")
    if '"queries"' in said and "<chat_history>" in said:
        return orjson.dumps({"queries": [found.strip() for found in QUESTION.findall(said)[-1:]]}).decode()
    if "<chat_history>" in said:  # a title, tags, what to ask next
        return orjson.dumps({"title": "Read aloud", "tags": [], "follow_ups": []}).decode()
    # Open WebUI's own words before it name the tag as well.
    sources = SOURCE.findall(said.rpartition("<context>")[2])
    read = "\n\n".join(f"{text.strip()} [{number}]" for number, text in enumerate(sources, 1))
    return f"I was given this to read:\n\n{read}" if sources else NOTHING


async def _show(_: Object, connection: Connection) -> None:
    shown = {"details": DETAILS, "model_info": {}, "capabilities": ENTRY["capabilities"], "template": "{{ .Prompt }}"}
    await connection.answer(200, orjson.dumps(shown))


def _line(said: str, *, done: bool) -> bytes:
    end = {"done_reason": "stop", "total_duration": 1, "prompt_eval_count": 1, "eval_count": 1} if done else {}
    message = {"role": "assistant", "content": said}
    now = datetime.now(UTC).isoformat()
    return orjson.dumps({"model": MODEL, "created_at": now, "message": message, "done": done, **end})


@contextmanager
def chat_model(ollama: str | None = None, *, port: int = 0) -> Iterator[tuple[str, ChatModel]]:
    """Its URL, and what it was asked, until the block ends; `ollama` is the real one that it stands before."""
    model = ChatModel(ollama)
    with serve(model, port=port) as url:
        yield url, model
