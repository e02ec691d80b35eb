"""Queries while a document is uploaded: as many one-chunk requests as it has chunks, all in the same moment, to a real
Ollama with the demo model, directly and through the bridge.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import percentile
from benchmarks.outcome import Outcome, Points, Result
from embedstack.models.demo.build import build, default_folder
from tests.bridge_process import bridge
from tests.engines.run import ollama_create, ollama_server
from tests.upstreams.crowd import Crowd, Reply

IDLE_QUERIES = 60
CHUNK_BYTES = 500
QUESTION = "公司年假政策有哪些? How many days of annual leave are there, and who approves them? "
# Directly, the text as the bridge would make it: the same work for the engine.
PROMPT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
_WORDS = "leave travel certificate passport invoice manager approval server employee contract policy holiday sick paid"


@dataclass(frozen=True)
class Side:
    """One way of asking. Times in seconds."""

    idle: Sequence[float]
    queries: Points  # (when it was asked, how long it took)
    flood: float
    failed: int

    @property
    def took(self) -> list[float]:
        return [seconds for _, seconds in self.queries]


def run(chunks: int) -> Result:
    """`chunks` requests at once, and a query every so often until they are done."""
    every = max(0.5, chunks / 1_000)  # seconds; seldom enough for the queries themselves to cost the flood little
    with tempfile.TemporaryDirectory(prefix="embedstack-flood-") as folder, ollama_server(Path(folder)) as ollama:
        ollama_create(ollama, "demo", build(default_folder()).gguf)
        direct = asyncio.run(_side(ollama.url, chunks, every, "direct"))
        settings = ("--set", "model.id=demo", "--set", "model.precision=f16")
        with bridge("--upstream", ollama.url, *settings) as running:
            bridged = asyncio.run(_side(running.url, chunks, every, "bridge"))
    return Result(list(_outcomes(direct, bridged, chunks)), {"direct": direct.queries, "bridge": bridged.queries})


def _outcomes(direct: Side, bridged: Side, chunks: int) -> Sequence[Outcome]:
    idle, name = percentile(direct.idle, 95), f"flood of {chunks:,}"
    p95 = percentile(bridged.took, 95)
    return (
        Outcome(
            name,
            "query p95 beside it, times the idle engine's own p95",
            p95 / idle,
            f"direct {percentile(direct.took, 95) / idle:,.0f}",
            at_most=5,
        ),
        Outcome(name, "query p50, ms", 1000 * percentile(bridged.took, 50), _ms(direct, 50)),
        Outcome(name, "query p95, ms", 1000 * p95, f"{_ms(direct, 95)}, idle {1000 * idle:,.0f}"),
        Outcome(name, "query max, ms", 1000 * max(bridged.took), f"direct {1000 * max(direct.took):,.0f}"),
        Outcome(
            name,
            "the flood's own speed, direct is 1",
            direct.flood / bridged.flood,
            f"direct {direct.flood:.1f} s, bridge {bridged.flood:.1f} s",
            at_least=0.95,
        ),
        Outcome(name, "requests that failed", bridged.failed, f"direct {direct.failed}", at_most=0),
    )


def _ms(side: Side, percent: int) -> str:
    return f"direct {1000 * percentile(side.took, percent):,.0f}"


async def _side(url: str, chunks: int, every: float, name: str) -> Side:
    crowd, loop = Crowd(url), asyncio.get_running_loop()
    ask = _query_directly if name == "direct" else _query
    idle = [await _timed(ask(crowd, f"idle {number}")) for number in range(IDLE_QUERIES)]
    began = loop.time()
    flood = asyncio.ensure_future(crowd.ask_all([chunk(number) for number in range(chunks)], truncate=True))
    queries: list[asyncio.Task[tuple[float, float, int]]] = []
    while not flood.done():
        queries.append(asyncio.create_task(_observed(ask(crowd, f"{name} {len(queries)}"), began)))
        await asyncio.wait([flood], timeout=every)
    replies = await flood
    took = max(reply.at for reply in replies) - began
    observed = await asyncio.gather(*queries)
    failed = sum(reply.status != 200 for reply in replies) + sum(status != 200 for *_, status in observed)
    return Side(idle, [(asked, seconds) for asked, seconds, _ in observed], took, failed)


def _query(crowd: Crowd, mark: str) -> "asyncio.Future[Reply]":
    return asyncio.ensure_future(crowd.ask(QUESTION + mark, input_type="query"))


def _query_directly(crowd: Crowd, mark: str) -> "asyncio.Future[Reply]":
    return asyncio.ensure_future(crowd.ask(PROMPT + QUESTION + mark))


async def _timed(reply: "asyncio.Future[Reply]") -> float:
    began = asyncio.get_running_loop().time()
    return (await reply).at - began


async def _observed(reply: "asyncio.Future[Reply]", began: float) -> tuple[float, float, int]:
    asked = asyncio.get_running_loop().time()
    answered = await reply
    return asked - began, answered.at - asked, answered.status


def chunk(number: int) -> str:
    """All different, about as long as each other."""
    text, words = f"Paragraph {number}.", _WORDS.split()
    while len(text) < CHUNK_BYTES:
        text += f" {words[(number + len(text)) % len(words)]}"
    return text
