"""What the bridge holds: memory over many requests with ever new texts, and a disk cache of many vectors."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks import golden
from benchmarks.client import many_clients
from benchmarks.figures import percentile
from benchmarks.outcome import Outcome, Result
from benchmarks.processes import resident_mb
from benchmarks.shapes import OPENAI_BASE64
from benchmarks.subjects import ROOT, environ
from embedstack.bridge.cache.disk import DiskStore
from embedstack.bridge.cache.tier import DiskTier, pack
from embedstack.bridge.request import Row
from embedstack.bridge.settings.structs import CacheSettings
from embedstack.host import processes
from tests.bridge_process import Bridge, bridge
from tests.engines.process import free_port, process, wait_until_ready

DIMENSIONS = 2560
CLIENTS = 16
LOOKS = 2_000


def run(requests: int, vectors: int) -> Result:
    """So many requests, each with a text of its own; and a store of so many vectors."""
    with tempfile.TemporaryDirectory(prefix="embedstack-growth-") as made:
        return Result([*_memory(Path(made), requests), *_disk(Path(made) / "cache", vectors)])


def _memory(made: Path, requests: int) -> list[Outcome]:
    bound = CacheSettings().memory / 1e6
    with _before_an_upstream(made) as running:
        _ask(running, 0, requests // 20)
        early = resident_mb(running.pid)
        _ask(running, requests // 20, requests)
        last = resident_mb(running.pid)
    said = f"{early:.0f} after {requests // 20:,}; the cache may hold {bound:.0f}"
    return [Outcome("memory", f"RSS after {requests:,} requests less the cache's bound, MB", last - bound, said, 80)]


def _ask(running: Bridge, start: int, stop: int) -> None:
    """From `start` to `stop`, each text once."""
    port = int(running.url.rpartition(":")[2])
    shape = OPENAI_BASE64
    numbers = iter(range(start, stop))
    many_clients(
        port,
        lambda: shape.request(port, f"text {next(numbers)}"),
        clients=CLIENTS,
        most=stop - start,
        seconds=3600,
    )


@contextmanager
def _before_an_upstream(made: Path) -> Iterator[Bridge]:
    known, log, port = made / "known.json", made / "upstream.log", free_port()
    golden.capture(known)
    argv = processes.command("-m", "benchmarks.upstream", str(port), str(known))
    settings = ("--set", "engine.kind=openai", "--set", "model.id=demo", "--set", "model.precision=f16")
    with process(argv, env={**environ(), "PYTHONPATH": str(ROOT)}, log=log) as child:
        wait_until_ready(child, f"http://127.0.0.1:{port}/", seconds=30, log=log)
        with bridge("--upstream", f"http://127.0.0.1:{port}", *settings, cached=True) as running:
            yield running


def _disk(folder: Path, vectors: int) -> list[Outcome]:
    most = 2 * vectors * (4 * DIMENSIONS + 256)
    began = time.perf_counter()
    _fill(DiskStore(folder, most), vectors)
    filled = time.perf_counter() - began
    opened, milliseconds, grown = asyncio.run(_looked_at(DiskTier(DiskStore(folder, most), DIMENSIONS), vectors))
    name = f"disk cache of {vectors:,}"
    return [
        Outcome(name, "opened and known, s (in the background)", opened, f"written in {filled:.0f} s"),
        Outcome(name, "hit p50, ms", percentile(milliseconds, 50), f"p95 {percentile(milliseconds, 95):.2f}"),
        Outcome(name, "memory of its own, MB (RssAnon)", grown),
    ]


def _fill(store: DiskStore, vectors: int) -> None:
    store.open()
    rows = np.random.default_rng(1).standard_normal((1_000, DIMENSIONS)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    packed = [pack(Row(row, 5)) for row in rows]
    for start in range(0, vectors, 500):
        store.put([(_key(number), packed[number % 1_000]) for number in range(start, start + 500)])
    store.close()


async def _looked_at(tier: DiskTier, vectors: int) -> tuple[float, list[float], float]:
    """Seconds until it knows all its keys; milliseconds of single hits; MB that it took."""
    before, began = _anonymous(), time.perf_counter()
    while tier.may_hold(_key(-1)):  # noqa: ASYNC110 -- it is looked at from outside
        await asyncio.sleep(0.005)
    opened, took = time.perf_counter() - began, []
    for number in np.random.default_rng(2).integers(0, vectors, LOOKS):
        asked = time.perf_counter()
        found = await tier.find([_key(int(number))])
        took.append((time.perf_counter() - asked) * 1000)
        assert found  # noqa: S101 -- a miss is not a hit
    grown = _anonymous() - before
    await tier.close()
    return opened, took, grown


def _anonymous() -> float:
    return resident_mb("self", alone=True, field="RssAnon")


def _key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()
