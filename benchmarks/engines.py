"""Several engines of equal, simulated speed as one: what they do together over what one does behind the same bridge,
and what that one loses by the bridge.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import golden
from benchmarks.client import many_clients
from benchmarks.outcome import Outcome, Result
from benchmarks.shapes import OPENAI_BASE64
from benchmarks.subjects import ROOT, environ
from embedstack.host import processes
from tests.bridge_process import Bridge, bridge
from tests.engines.process import free_port, process, wait_until_ready
from tests.upstreams.crowd import Crowd

SECONDS = 0.02  # of an engine for a text
# One text a call, as Ollama works them off; else the engines would differ in nothing but the size of their last call.
SETTINGS = ("engine.kind=openai", "model.id=demo", "model.precision=f16", "engine.concurrency=1", "engine.batch=1")


def run(texts: int) -> Result:
    """`texts` for each engine, all asked for at once."""
    with tempfile.TemporaryDirectory(prefix="embedstack-engines-") as made:
        known = Path(made) / "known.json"
        golden.capture(known)
        directly, one = _alone(texts, known), _together(1, texts, known)
        outcomes = [_over_the_sum(count, _together(count, texts, known), one) for count in (2, 4)]
        beside = f"{one:.1f}/s; asked directly {directly:.1f}/s"
        first = Outcome("engines", "one through the bridge: texts/s over asked directly", one / directly, beside)
        return Result([first, *outcomes, *_one_killed(texts, known)])


def _alone(texts: int, known: Path) -> float:
    """Texts/s of one engine, asked directly and without a pause."""
    with _engine(known, 0) as url:
        port = int(url.rpartition(":")[2])
        load = many_clients(port, OPENAI_BASE64.request(port), clients=2, most=texts, seconds=600)
    return load.requests / load.seconds


def _together(count: int, texts: int, known: Path) -> float:
    """Texts/s of so many engines through the bridge."""
    with _pool(count, known) as (running, _):
        seconds = asyncio.run(_asked(running, count * texts))[0]
    return count * texts / seconds


def _over_the_sum(count: int, got: float, one: float) -> Outcome:
    return Outcome(
        "engines",
        f"{count} of them: texts/s over {count} times one",
        got / (count * one),
        f"{got:.0f}/s; one {one:.1f}/s",
        at_least=0.95,
    )


def _one_killed(texts: int, known: Path) -> Sequence[Outcome]:
    with _pool(4, known) as (running, lives):
        seconds, lost = asyncio.run(_asked(running, 4 * texts, kill=(lives[0], texts * SECONDS / 2)))
    ideal = texts * SECONDS * (0.5 + 0.5 * 4 / 3)
    return (
        Outcome("engines", "one of four killed halfway: requests lost", lost, at_most=0),
        Outcome("engines", "the same: time over the ideal with three left", seconds / ideal, f"{seconds:.1f} s"),
    )


async def _asked(running: Bridge, texts: int, kill: tuple[ExitStack, float] | None = None) -> tuple[float, int]:
    """Seconds for all of them, and how many got no vector."""
    began = time.perf_counter()
    crowd = asyncio.ensure_future(Crowd(running.url).ask_all([f"text {number}" for number in range(texts)]))
    if kill is not None:
        await asyncio.sleep(kill[1])
        await asyncio.to_thread(kill[0].close)
    replies = await crowd
    return time.perf_counter() - began, sum(reply.status != 200 for reply in replies)


@contextmanager
def _pool(count: int, known: Path) -> Iterator[tuple[Bridge, list[ExitStack]]]:
    """A bridge before so many engines, and what ends each."""
    with ExitStack() as all_lives:
        lives = [all_lives.enter_context(ExitStack()) for _ in range(count)]
        urls = [life.enter_context(_engine(known, number)) for number, life in enumerate(lives)]
        settings = [*SETTINGS, f"pool.upstreams=[{', '.join(urls)}]"]
        with bridge(*(part for setting in settings for part in ("--set", setting))) as running:
            until = time.monotonic() + 60
            while sum(backend["ready"] for backend in running.ready()["backends"]) < count:
                assert time.monotonic() < until, running.ready()  # noqa: S101 -- else nothing is measured
                time.sleep(0.05)
            yield running, lives


@contextmanager
def _engine(known: Path, number: int) -> Iterator[str]:
    port, log = free_port(), known.with_name(f"engine-{number}.log")
    argv = processes.command("-m", "benchmarks.paced", str(port), str(known), str(SECONDS))
    with process(argv, env={**environ(), "PYTHONPATH": str(ROOT)}, log=log) as child:
        wait_until_ready(child, f"http://127.0.0.1:{port}/", seconds=30, log=log)
        yield f"http://127.0.0.1:{port}"
