"""Tries without end at a bridge and at the readers, until the time is over, and a look at what they left behind."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.fuzz import wire
from benchmarks.fuzz.case import chance
from benchmarks.fuzz.file_work import FileWork, file_try
from benchmarks.fuzz.frames import KINDS
from benchmarks.fuzz.ledger import Ledger
from benchmarks.fuzz.oracle import judge
from benchmarks.fuzz.truth import Truth
from benchmarks.processes import open_files, resident_mb

CLIENTS = 6
# A route holds most of what can be asked; each way to cut it comes less often.
MIX = ("route",) * 6 + tuple(kind for kind in KINDS if kind != "route")
WARM = 0.3  # of the time, before the first look at memory
GROWTH_MB, GROWTH_FILES = 16.0, 30
SAMPLE = 2.0  # seconds


@dataclass(frozen=True)
class Target:
    """A bridge. `pid` and `log`: of its process, None where it is none of ours."""

    url: str
    pid: int | None = None
    log: Path | None = None

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    @property
    def alive(self) -> bool:
        return self.pid is None or (psutil.pid_exists(self.pid) and psutil.Process(self.pid).status() != "zombie")


@dataclass
class Fuzz:
    """`bound`: seconds for the answers of one connection. `work`: None for a bridge alone."""

    target: Target
    truth: Truth
    ledger: Ledger
    work: FileWork | None = None
    bound: float = wire.BOUND
    memory: list[tuple[float, float, int]] = field(default_factory=list)

    async def run(self, seconds: float, tell: Callable[[str], None] = lambda _: None) -> None:
        """Until so many seconds are over; then the process is judged."""
        began, numbers = time.monotonic(), itertools.count()
        until = began + seconds
        clients = [self._client(numbers, until) for _ in range(CLIENTS)]
        await asyncio.gather(*clients, self._files(until), self._watch(began, until, tell))
        for problem in self.left_behind(seconds):
            self.ledger.tried("process", 0, problem, b"")

    async def wire_once(self, kind: str, number: int) -> None:
        """One try at the bridge."""
        tried = KINDS[kind](chance(self.ledger.seed, kind, number), self.target.host)
        came = await wire.exchange(self.target.url, tried, self.bound)
        self.ledger.exchanged(kind, number, tried, came, judge(tried, came, self.truth))

    async def file_once(self, kind: str, number: int) -> None:
        """One try at a reader, in the process that does such work."""
        if self.work is not None:
            run = asyncio.get_running_loop().run_in_executor
            problem, damaged = await run(self.work.pool, file_try, self.ledger.seed, kind, number)
            self.ledger.tried(kind, number, problem, damaged)

    async def once(self, name: str) -> None:
        """The try of that name, `KIND:NUMBER`, again."""
        kind, _, number = name.rpartition(":")
        await (self.wire_once if kind in KINDS else self.file_once)(kind, int(number))

    def left_behind(self, seconds: float) -> Iterator[str]:
        """A bridge that has ended, a traceback in its log, memory and descriptors that have grown."""
        if not self.target.alive:
            yield "the bridge has ended"
        if self.target.log and "Traceback" in (said := self.target.log.read_text(errors="replace")):
            yield "a traceback in the log: " + said[said.index("Traceback") :][:3_000]
        warm = [sample for sample in self.memory if sample[0] >= WARM * seconds]
        if len(warm) >= 30:  # fewer say nothing: it is still getting warm
            (_, memory, held), (_, last, last_held) = _least(warm[: len(warm) // 3]), _least(warm[-len(warm) // 3 :])
            if last - memory > GROWTH_MB:
                yield f"memory grew from {memory:.1f} to {last:.1f} MB"
            if last_held - held > GROWTH_FILES:
                yield f"open files grew from {held} to {last_held}"

    async def _client(self, numbers: Iterator[int], until: float) -> None:
        while time.monotonic() < until and self.target.alive:
            number = next(numbers)
            await self.wire_once(MIX[number % len(MIX)], number // len(MIX) * MIX.count("route") + number % len(MIX))

    async def _files(self, until: float) -> None:
        """In a process of its own: PyYAML holds the interpreter, and the clients' answers are not to wait for it."""
        if self.work is None:
            return
        kinds = self.work.kinds
        for number in itertools.count():
            if time.monotonic() > until:
                return
            await self.file_once(kinds[number % len(kinds)], number // len(kinds))

    async def _watch(self, began: float, until: float, tell: Callable[[str], None]) -> None:
        reported = began
        while time.monotonic() < until and self.target.alive:
            now = time.monotonic()
            if self.target.pid is not None:
                pid = self.target.pid
                self.memory.append((now - began, resident_mb(pid, alone=True), open_files(pid)))
            if now - reported >= 30:
                reported = now
                tries, found = sum(self.ledger.tries.values()), len(self.ledger.findings)
                held = f", {self.memory[-1][1]:.1f} MB, {self.memory[-1][2]} files" if self.memory else ""
                tell(f"{now - began:6.0f} s  {tries:,} tries, {found} findings{held}")
            await asyncio.sleep(min(SAMPLE, max(0.05, until - now)))


def _least(samples: list[tuple[float, float, int]]) -> tuple[float, float, int]:
    """What is held while least goes on: a large request in flight is not growth."""
    return 0.0, min(sample[1] for sample in samples), min(sample[2] for sample in samples)
