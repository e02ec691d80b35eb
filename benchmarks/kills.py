"""`python -m benchmarks.kills [--kills 200] [--seed 1] [--json]`: parts of stacks are killed and must come back.

A bridge, its engine, a supervisor, an Ollama and its runner die by SIGKILL at random moments, while clients never
stop asking. After each kill the stack must be back with right vectors. No vector may be wrong, no request may be left
without an answer or an end for 30 s, and none may be lost but those that met a killed bridge. Files and caches must be
readable, no process be left over, no traceback stand in a log, nothing grow. Exit status 0: so it was; 1: not.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.victims import BOUND, Grown, Hurt, has_ollama, stack
from embedstack.vectors.mrl import Vectors
from tests.bridge_process import bridge
from tests.upstreams.crowd import Crowd, Reply

CONSOLE = Console(stderr=True)
CLIENTS = 4  # a stack
TEXTS = 60  # of which each has one right vector
UNANSWERED = 30.0  # seconds
GROWTH_MB, GROWTH_FILES = 40.0, 30
# A bridge that is killed takes the connections along that it has; none may be lost with any other.
TAKES_ALONG = frozenset({"bridge"})


@dataclass
class Ledger:
    """What came of it all."""

    right: int = 0
    ended: int = 0  # requests that a killed bridge had, or that found it away
    kills: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    begun: dict[str, Grown] = field(default_factory=dict)

    def fail(self, what: str) -> None:
        self.failures.append(what)
        CONSOLE.print(what, style="bold red", markup=False, highlight=False)


@dataclass
class Target:
    """A stack, and whether a request may be lost just now."""

    hurt: Hurt
    may_lose: bool = False


@dataclass
class Truth:
    """The vectors that texts have, from a bridge that nobody kills."""

    url: str
    known: dict[str, Vectors] = field(default_factory=dict)

    async def agrees(self, text: str, reply: Reply) -> bool:
        if text not in self.known:
            self.known[text] = _vector(await Crowd(self.url).ask(text))
        return float(_vector(reply) @ self.known[text]) > 0.9999


def _vector(reply: Reply) -> Vectors:
    return np.array(reply.json()["embeddings"][0], np.float32)


def _text(chance: random.Random) -> str:
    """One that was asked before and may lie in a cache, or one that an engine has to be asked for."""
    number = chance.randrange(TEXTS) if chance.random() < 0.6 else chance.randrange(10**12)
    return f"what text number {number} says about leave, travel and certificates"


async def _ask(url: str, text: str) -> Reply | None:
    """None where the connection ended, or never was."""
    with suppress(OSError, asyncio.IncompleteReadError, ValueError):
        reply = await asyncio.wait_for(Crowd(url).ask(text), UNANSWERED)
        whole = int(reply.headers.get("content-length", "-1")) == len(reply.body)
        return reply if reply.status and whole else None
    return None


async def _client(target: Target, truth: Truth, ledger: Ledger, chance: random.Random, done: asyncio.Event) -> None:
    while not done.is_set():
        text = _text(chance)
        lose = target.may_lose
        try:
            reply = await _ask(target.hurt.command.bridge, text)
        except TimeoutError:
            ledger.fail(f"{target.hurt.engine}: no answer and no end within {UNANSWERED:.0f} s")
            continue
        if reply is not None and reply.status == 200 and await truth.agrees(text, reply):
            ledger.right += 1
        elif reply is not None and reply.status == 200:
            ledger.fail(f"{target.hurt.engine}: a wrong vector for {text!r}")
        elif lose or target.may_lose:
            ledger.ended += 1
        else:
            said = "its connection ended" if reply is None else f"{reply.status}: {reply.body[:200]!r}"
            ledger.fail(f"{target.hurt.engine}: a request was lost, {said}")
        await asyncio.sleep(0.1 + chance.random() * 0.3)


async def _back(target: Target, truth: Truth, chance: random.Random) -> bool:
    """Whether it gives a right vector again, computed now, within its bound."""
    until = time.monotonic() + BOUND
    while time.monotonic() < until:
        with suppress(TimeoutError):
            text = f"{_text(chance)} {chance.random()}"
            reply = await _ask(target.hurt.command.bridge, text)
            if reply and reply.status == 200:
                return await truth.agrees(text, reply)
        await asyncio.sleep(0.2)
    return False


async def _chosen(target: Target, ledger: Ledger, chance: random.Random) -> tuple[str, int]:
    """Who dies next: at random among those of a stack that have died least."""
    here = sorted((await asyncio.to_thread(target.hurt.victims)).items())
    least = min(ledger.kills[f"{target.hurt.engine}: {name}"] for name, _ in here)
    return chance.choice([one for one in here if ledger.kills[f"{target.hurt.engine}: {one[0]}"] == least])


async def _kill(target: Target, name: str, pid: int, truth: Truth, ledger: Ledger, chance: random.Random) -> None:
    """One part, and what must be so afterwards."""
    hurt = target.hurt
    target.may_lose = name in TAKES_ALONG
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    ledger.kills[f"{hurt.engine}: {name}"] += 1
    if not await _back(target, truth, chance):
        ledger.fail(f"{hurt.engine}: not back within {BOUND:.0f} s after a kill of its {name}")
    target.may_lose = False
    if name == "supervisor" and (wrong := await asyncio.to_thread(hurt.repair)):
        ledger.fail(f"{hurt.engine}: {wrong}")
    for wrong in [*await asyncio.to_thread(hurt.strays), *await asyncio.to_thread(hurt.damaged)]:
        ledger.fail(f"{hurt.engine}: after a kill of its {name}: {wrong}")


async def _hurt(target: Target, truth: Truth, ledger: Ledger, kills: int, chance: random.Random) -> None:
    """A stack's share of the kills, one after the other; other stacks are hurt meanwhile."""
    whom = random.Random(chance.random())  # noqa: S311 -- of its own, so that a seed repeats the order of victims
    for number in range(1, kills + 1):
        await asyncio.sleep(chance.random() * 2)
        name, pid = await _chosen(target, ledger, whom)
        await _kill(target, name, pid, truth, ledger, chance)
        _grown(target.hurt, ledger, last=number == kills)
        CONSOLE.print(
            f"{sum(ledger.kills.values()):5} kills, {ledger.right:,} right, {ledger.ended} met a killed bridge, "
            f"{len(ledger.failures)} failures; {', '.join(f'{key} {n}' for key, n in sorted(ledger.kills.items()))}"
        )


async def _run(stacks: Sequence[Hurt], truth: Truth, kills: int, chance: random.Random) -> Ledger:
    ledger, done = Ledger(), asyncio.Event()
    targets = [Target(hurt) for hurt in stacks]
    chances = [random.Random(chance.random()) for _ in range((CLIENTS + 1) * len(targets))]  # noqa: S311 -- what is asked
    clients = [
        asyncio.create_task(_client(targets[number % len(targets)], truth, ledger, one, done))
        for number, one in enumerate(chances[len(targets) :])
    ]
    shares = [kills // len(targets) + (place < kills % len(targets)) for place in range(len(targets))]
    await asyncio.gather(
        *(
            _hurt(target, truth, ledger, share, chances[place])
            for place, (target, share) in enumerate(zip(targets, shares, strict=True))
        )
    )
    done.set()
    await asyncio.gather(*clients)
    for target in targets:
        for line in target.hurt.faults():
            ledger.fail(f"{target.hurt.engine}: in a log: {line}")
    return ledger


def _grown(hurt: Hurt, ledger: Ledger, *, last: bool) -> None:
    """At its end a part holds no more than at its first look, whichever process it is by then."""
    for name, now in hurt.holds().items():
        first = ledger.begun.setdefault(f"{hurt.engine}: {name}", now)
        if last and (now.memory - first.memory > GROWTH_MB or now.files - first.files > GROWTH_FILES):
            ledger.fail(f"{hurt.engine}: its {name} grew from {first} to {now}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeats a run")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    given = parser.parse_args(argv)
    engines = ("embedded", "ollama") if has_ollama() else ("embedded",)
    CONSOLE.print(f"seed {given.seed}")
    if not has_ollama():
        CONSOLE.print("no Ollama is built (`make engines`): it is left out")
    with tempfile.TemporaryDirectory(prefix="embedstack-kills-") as made, ExitStack() as up:
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without taking the stacks down
        up.callback(signal.signal, signal.SIGTERM, before)
        truth = Truth(up.enter_context(bridge("--demo", "--set", "engine.threads=1")).url)
        stacks = [up.enter_context(stack(Path(made) / engine, engine)) for engine in engines]
        ledger = asyncio.run(_run(stacks, truth, given.kills, random.Random(given.seed)))  # noqa: S311 -- to be repeated
    fields = {
        "seed": given.seed,
        "kills": dict(sorted(ledger.kills.items())),
        "right": ledger.right,
        "met_a_killed_bridge": ledger.ended,
        "failures": ledger.failures,
    }
    if given.json:
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
    verdict = (
        f"{len(ledger.failures)} failures" if ledger.failures else "nothing wrong, nothing lost, nothing left over"
    )
    total = sum(ledger.kills.values())
    CONSOLE.print(f"{total} kills, {ledger.right:,} requests right, {ledger.ended} met a killed bridge: {verdict}")
    return 1 if ledger.failures else 0


if __name__ == "__main__":
    sys.exit(main())
