"""What is asked for again: a document uploaded twice, a file embedded twice, a crowd with one question."""

import asyncio
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import requests

from benchmarks.flood import chunk
from benchmarks.outcome import Outcome, Result
from embedstack.models.demo.build import build, default_folder
from tests.bridge_process import Bridge, bridge
from tests.engines.run import ollama_create, ollama_server
from tests.upstreams.crowd import Crowd

AT_ONCE = 16
_TEXTS = re.compile(r"^embed_bridge_engine_texts_total{.*} (\S+)$", re.MULTILINE)


def run(chunks: int) -> Result:
    """`chunks` of a document, before a real Ollama with the demo model; cache as it is without any setting."""
    with tempfile.TemporaryDirectory(prefix="embedstack-again-") as folder, ollama_server(Path(folder)) as ollama:
        ollama_create(ollama, "demo", build(default_folder()).gguf)
        settings = ("--set", "model.id=demo", "--set", "model.precision=f16")
        with bridge("--upstream", ollama.url, *settings, cached=True) as running:
            return Result([*_uploaded_twice(running, chunks), _embedded_twice(running), _one_question(running)])


def _uploaded_twice(running: Bridge, chunks: int) -> Sequence[Outcome]:
    texts = [chunk(number) for number in range(chunks)]
    first = asyncio.run(_upload(running, texts))
    before = _engine_texts(running)
    second = asyncio.run(_upload(running, texts))
    said = f"first {first:.1f} s, second {second:.2f} s"
    return (
        Outcome("re-upload", f"{chunks} chunks again, times faster", first / second, said, at_least=50),
        Outcome("re-upload", "texts that reached the engine", _engine_texts(running) - before, at_most=0),
    )


def _embedded_twice(running: Bridge) -> Outcome:
    """As Open WebUI with batches of 16: once for the file, once for the knowledge base."""
    texts = [f"file: {chunk(number)}" for number in range(96)]
    counts = []
    for _ in range(2):
        before = _engine_texts(running)
        for start in range(0, len(texts), 16):
            running.embed(*texts[start : start + 16])
        counts.append(_engine_texts(running) - before)
    return Outcome(
        "re-upload", "second embedding of a file: engine texts", counts[1], f"first {counts[0]:.0f}", at_most=0
    )


def _one_question(running: Bridge) -> Outcome:
    """64 clients, the same 100 texts, in the same moment."""
    texts = [f"everybody asks this: {chunk(number)}" for number in range(100)]
    before = _engine_texts(running)

    async def ask() -> None:
        await asyncio.gather(*(Crowd(running.url).ask_all(texts) for _ in range(64)))

    asyncio.run(ask())
    asked = f"of {64 * len(texts):,} asked for"
    return Outcome("re-upload", "64 clients with 100 texts: engine texts", _engine_texts(running) - before, asked, 100)


async def _upload(running: Bridge, texts: Sequence[str]) -> float:
    """Seconds for one text a request, so many at a time."""
    crowd, began, waiting = Crowd(running.url), time.perf_counter(), iter(texts)

    async def client() -> None:
        for text in waiting:
            reply = await crowd.ask(text)
            assert reply.status == 200, reply  # noqa: S101 -- a benchmark of errors is none

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return time.perf_counter() - began


def _engine_texts(running: Bridge) -> float:
    return sum(map(float, _TEXTS.findall(requests.get(f"{running.url}/metrics", timeout=30).text)))
