"""A pool of engines that exist only in memory: what they are given, when, and what becomes of it."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from embedstack.bridge.backends.base import Backend, Call, Embedded, EngineDied, EngineDown, EngineFacts
from embedstack.bridge.cache.cache import Cache
from embedstack.bridge.engines.engine import EngineLimits, Member
from embedstack.bridge.engines.fleet import Fleet
from embedstack.bridge.engines.pool import Pool
from embedstack.bridge.engines.quarantine import Quarantine
from embedstack.bridge.errors import BridgeError
from embedstack.bridge.observe.telemetry import Telemetry
from embedstack.bridge.parity.gate import Gate
from embedstack.bridge.parity.golden import GoldenStore
from embedstack.bridge.request import Caller, Departure, KeepAlive, Lane, Row
from embedstack.bridge.supply import Supplied, Supply, WantedRows
from embedstack.bridge.traffic.pace import Patience
from embedstack.bridge.traffic.scheduler import Scheduler
from embedstack.models import catalog
from embedstack.vectors.mrl import Vectors
from tests.unit.bridge.toy_backend import ToyBackend

GOLDEN = ("golden one", "golden two")
WANTED: str | None = "f16"  # the precision that is configured
DIMENSIONS = 64
_DEMO = catalog.load().find("demo").model
_REFERENCE = _DEMO.reference
assert _REFERENCE is not None
MODEL = msgspec.structs.replace(
    _DEMO,
    dimensions=DIMENSIONS,
    reference=msgspec.structs.replace(
        _REFERENCE,
        texts=GOLDEN,
        tokens=(10, 10),
        queries=(0,),
        documents=(1,),
        scores=(),
        tolerances={},
        margin=None,
    ),
)


def vector(text: str, weights: str = "") -> Vectors:
    """A unit vector that is the text's own, and the weights'."""
    seed = int.from_bytes(hashlib.sha256((weights + text).encode()).digest()[:8], "big")
    drawn = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


@dataclass
class ToyEngine(ToyBackend):
    """Counts the bytes of a text as its tokens. `gate` holds calls back until it is set; golden texts pass always."""

    name: str = "toy"
    kind: str = "ollama"
    preempts: bool = False
    weights: str = ""
    digest: str = "d"
    down: bool = False
    killers: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()  # texts that it answers with NaN
    wedged: bool = False  # whether it answers NaN to everything, until it is reset
    wedges: bool = False  # whether a broken text leaves it so
    resets: int = 0
    gate: asyncio.Event | None = None
    script: list[BridgeError] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)
    known: list[tuple[bool, list[str]]] = field(default_factory=list)  # what it was told of each of them
    cancelled: list[str] = field(default_factory=list)
    checks: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    closed: bool = False

    async def start(self) -> None:
        if self.down:
            raise EngineDown(f"{self.name} is down")

    async def identity(self) -> str:
        await self.start()
        return self.digest

    async def facts(self) -> EngineFacts:
        return EngineFacts(kind=self.kind, version="1", model="demo", context=512, digest=self.digest)

    async def close(self) -> None:
        self.closed = True

    async def embed(
        self,
        texts: Sequence[str],
        *,
        keep_alive: KeepAlive = None,  # noqa: ARG002 -- Backend's
        as_float: bool = False,  # noqa: ARG002 -- Backend's
        call: Call | None = None,
    ) -> Embedded:
        await self.start()
        if set(texts) <= set(GOLDEN) and not self.wedged:
            self.checks += 1
            return self._answer(texts)
        self.calls.append(list(texts))
        cancelled = set[int]()
        if call is not None:
            self.known.append((call.urgent, list(call.prompts)))
            call.on_cancel = cancelled.add
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            await (self.gate.wait() if self.gate else asyncio.sleep(0))
        finally:
            self.in_flight -= 1
        if self.script:
            raise self.script.pop(0)
        if self.down or self.killers & set(texts):
            raise EngineDied(f"{self.name} ended")
        self.cancelled += [texts[index] for index in sorted(cancelled)]
        return replace(self._answer(texts), cancelled=frozenset(cancelled if self.preempts else ()))

    async def reset(self) -> None:
        self.resets += 1
        self.wedged = False

    def _answer(self, texts: Sequence[str]) -> Embedded:
        rows = np.stack([vector(text, self.weights) for text in texts])
        bad = [self.wedged or text in self.broken for text in texts]
        rows[bad] = np.nan
        self.wedged = self.wedged or (self.wedges and any(bad))
        return Embedded(rows, sum(map(len, texts)))

    @property
    def texts(self) -> list[str]:
        """Every text that it was given, in order."""
        return [text for call in self.calls for text in call]


@dataclass
class Toys:
    """A pool, its supply, and the engines behind it."""

    engines: list[ToyEngine]
    pool: Pool
    scheduler: Scheduler
    supply: Supply

    @property
    def fleet(self) -> Fleet:
        return self.pool.fleet

    async def ask(
        self,
        *texts: str,
        lane: Lane = "bulk",
        user: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 -- the client's, which is what is tested
        departure: Departure | None = None,
        part: str = "",
    ) -> Supplied:
        """`part`: whose of the cache."""
        keys = [self.fleet.fingerprint.key(text) for text in texts]
        own = [part.encode() + key for key in keys] if part else None
        wanted = WantedRows(texts, keys, lane, Caller(("a", user), lane, timeout), None, own)
        return await self.supply.rows(wanted, departure)


def run(
    scenario: Callable[[Toys], object],
    *engines: ToyEngine,
    limits: EngineLimits | None = None,
    memory: int = 0,
    patience: float = 30.0,
    texts: int = 50_000,
    store: GoldenStore | None = None,
) -> None:
    """`scenario(toys)`, a coroutine, once all engines have their first verdict."""

    async def go() -> None:
        quarantine = Quarantine(600)
        cache = Cache(memory, None)
        gate = Gate(MODEL, WANTED, store or GoldenStore(None), style="qwen3", special_tokens="keep")
        scheduler = Scheduler(texts=texts, size=1 << 30, bulk_share=0.1)
        pool = Pool(
            gate,
            scheduler,
            quarantine,
            Telemetry(),
            patience=Patience(patience),
            forget=cache.forget,
        )
        supply = Supply(cache, quarantine, pool)
        for engine in engines:
            pool.add(Member(engine, limits or EngineLimits())).open()
        async with asyncio.timeout(20):
            for engine in pool.fleet.engines:
                await engine.settled.wait()
            await asyncio.sleep(0)
            for engine in engines:
                engine.calls.clear()
            try:
                await scenario(Toys(list(engines), pool, scheduler, supply))  # type: ignore[misc]  # a coroutine function
            finally:
                await pool.close()

    asyncio.run(go())


def assert_right(supplied: Supplied, *texts: str) -> None:
    """Each text's own vector, in order."""
    assert len(texts) == len(supplied.rows)
    for text, row in zip(texts, supplied.rows, strict=True):
        assert isinstance(row, Row)
        np.testing.assert_allclose(vector(text), row.vector, atol=1e-6)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """TimeoutError where it does not come true in so many seconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- a test looks from outside
            await asyncio.sleep(0.001)


_: Backend = ToyEngine()
