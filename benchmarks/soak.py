"""`python -m benchmarks.soak [--minutes 30]`: clients that never stop, and an engine that is killed again and again.

Nothing may be lost: every request is answered with the vectors that its texts have, however often the engine dies.
Nothing may grow: memory and open files at the end are those after the first minutes. Exit codes: 0 so it was, 1 not.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.processes import open_files, resident_mb
from tests.bridge_process import Bridge, bridge
from tests.engines.process import children
from tests.upstreams.crowd import Crowd

CONSOLE = Console(stderr=True)
CLIENTS = 8
TEXTS = 400  # of which each has one right vector; asked often enough that some come from the cache
KILL_EVERY = (5.0, 20.0)  # seconds
# A cache of 2 MiB: texts leave it all the time, and nothing that grows can hide in it.
SETTINGS = ("--demo", "--set", "engine.threads=1", "--set", "cache.memory=2 MiB", "--set", "cache.disk=16 MiB")
GROWTH_MB, GROWTH_FILES = 12.0, 30
WARM = 0.2  # of the time, before the first look at memory


@dataclass
class Ledger:
    """What came of every request."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    kills: int = 0
    memory: list[tuple[float, float, int]] = field(default_factory=list)  # seconds, MB, open files


def text(number: int) -> str:
    return f"what text number {number} says about leave, travel and certificates"


async def _client(running: Bridge, known: Sequence[np.ndarray], ledger: Ledger, until: float) -> None:
    chance = random.Random()  # noqa: S311 -- only what is asked next
    while time.monotonic() < until:
        number = chance.randrange(TEXTS)
        role = chance.choice(("document", "query"))
        reply = await Crowd(running.url).ask(text(number), {"X-Embed-Lane": "bulk"}, input_type=role)
        if reply.status != 200:
            ledger.wrong.append(f"{reply.status}: {reply.body[:200]!r}")
        elif role == "document":
            vector = np.array(reply.json()["embeddings"][0], np.float32)
            if float(vector @ known[number]) < 0.9999:
                ledger.wrong.append(f"another vector for text {number}")
        ledger.right += reply.status == 200
        await asyncio.sleep(chance.random() * 0.5)


async def _killer(running: Bridge, ledger: Ledger, until: float) -> None:
    chance = random.Random()  # noqa: S311 -- only when
    while time.monotonic() < until - 5:
        await asyncio.sleep(chance.uniform(*KILL_EVERY))
        for pid in children(running.pid, Path(sys.executable).name):
            os.kill(pid, signal.SIGKILL)
            ledger.kills += 1


async def _watch(running: Bridge, ledger: Ledger, began: float, until: float) -> None:
    while time.monotonic() < until:
        # Of the bridge alone: its engine is another one every few seconds.
        ledger.memory.append((time.monotonic() - began, resident_mb(running.pid, alone=True), open_files(running.pid)))
        CONSOLE.print(
            f"{ledger.memory[-1][0]:6.0f} s  {ledger.right:,} right, {len(ledger.wrong)} wrong, {ledger.kills} kills, "
            f"{ledger.memory[-1][1]:.1f} MB, {ledger.memory[-1][2]} files"
        )
        await asyncio.sleep(min(30.0, max(0.1, until - time.monotonic())))


async def _soak(running: Bridge, minutes: float) -> Ledger:
    ledger, began = Ledger(), time.monotonic()
    known = [np.array(vector, np.float32) for vector in running.embed(*(text(number) for number in range(TEXTS)))]
    until = began + 60 * minutes
    clients = [_client(running, known, ledger, until) for _ in range(CLIENTS)]
    await asyncio.gather(*clients, _killer(running, ledger, until), _watch(running, ledger, began, until))
    ledger.memory.append((time.monotonic() - began, resident_mb(running.pid, alone=True), open_files(running.pid)))
    return ledger


def verdict(ledger: Ledger, seconds: float) -> list[str]:
    """What is wrong; nothing, if all went well."""
    warm = [sample for sample in ledger.memory if sample[0] >= WARM * seconds] or ledger.memory
    (_, memory, files), (_, last_memory, last_files) = warm[0], ledger.memory[-1]
    found = [f"{len(ledger.wrong)} requests lost, as {ledger.wrong[0]}"] if ledger.wrong else []
    if last_memory - memory > GROWTH_MB:
        found.append(f"memory grew from {memory:.1f} to {last_memory:.1f} MB")
    if last_files - files > GROWTH_FILES:
        found.append(f"open files grew from {files} to {last_files}")
    if not ledger.kills:
        found.append("no engine was killed: too short to mean anything")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args(argv).minutes
    with bridge(*SETTINGS, cached=True) as running:
        ledger = asyncio.run(_soak(running, minutes))
    found = verdict(ledger, 60 * minutes)
    for line in found:
        CONSOLE.print(line, style="bold red", markup=False)
    CONSOLE.print(
        f"{ledger.right:,} requests right, {ledger.kills} kills: {'failed' if found else 'nothing lost, no growth'}"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
