"""`python -m benchmarks.unanswered [--requests 50000] [--seed 1] [--json]`: does every request get its answer?

Clients of every kind at once: a connection for each request, connections that are kept, requests sent together, large
bodies, and clients that leave before their answer. Each answer must come within 30 s and be the request's own. At the
end nothing may wait and no connection be left half open. Exit status 0: so it was; 1: not.
"""

import argparse
import asyncio
import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests
from rich.console import Console

from tests.bridge_process import Bridge, bridge

CONSOLE = Console(stderr=True)
WITHIN = 30.0  # seconds
TEXTS = 50  # so that most come from the cache, and the bridge itself is the road that is tried
SHAPES = ("fresh", "kept", "together", "large", "leaves")


@dataclass
class Ledger:
    """What came of the requests. `worst` is the longest wait, in seconds."""

    asked: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    left: int = 0
    worst: float = 0.0
    failures: list[str] = field(default_factory=list)

    def fail(self, what: str) -> None:
        self.failures.append(what)
        CONSOLE.print(what, style="bold red", markup=False, highlight=False)


@dataclass(frozen=True)
class Client:
    """One of many, with chances of its own."""

    port: int
    chance: random.Random
    ledger: Ledger

    async def run(self, most: int) -> None:
        while self.ledger.asked < most:
            shape = self.chance.choices(SHAPES, (4, 4, 3, 1, 2))[0]
            try:
                await self._one(shape)
            except OSError as error:
                self.ledger.fail(f"{shape}: {type(error).__name__}: {error}")

    async def _one(self, shape: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            if shape == "leaves":
                await self._leave(writer)
            elif shape == "together":
                await self._together(reader, writer)
            else:
                for _ in range(self.chance.randint(1, 20) if shape == "kept" else 1):
                    number, sent = self._request(self.chance.choice((70_000, 300_000)) if shape == "large" else 0)
                    writer.write(sent)
                    if not await self._answered(shape, reader, number):
                        return
                    await asyncio.sleep(self.chance.choice((0, 0, 0.001, 0.05)))
        finally:
            writer.close()

    async def _together(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Several in a few writes that end anywhere."""
        asked = [self._request(0) for _ in range(self.chance.randint(2, 8))]
        sent = b"".join(one for _, one in asked)
        cut = self.chance.randrange(len(sent))
        writer.write(sent[:cut])
        await asyncio.sleep(self.chance.choice((0, 0.002)))
        writer.write(sent[cut:])
        for number, _ in asked:
            if not await self._answered("together", reader, number):
                return

    async def _leave(self, writer: asyncio.StreamWriter) -> None:
        number = self.chance.randrange(10**9)  # seldom from the cache: it has to wait
        _, sent = self._request(self.chance.choice((0, 70_000)), number if self.chance.random() < 0.3 else None)
        writer.write(sent[: self.chance.randrange(len(sent))] if self.chance.random() < 0.3 else sent)
        await asyncio.sleep(self.chance.choice((0, 0.001, 0.01)))
        self.ledger.left += 1
        if self.chance.random() < 0.5:
            taken: socket.socket = writer.get_extra_info("socket")
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def _request(self, padding: int, number: int | None = None) -> tuple[int, bytes]:
        """Which text it asks for, and its bytes; that it asks for 32 dimensions keeps the answer short."""
        self.ledger.asked += 1
        number = self.chance.randrange(TEXTS) if number is None else number
        body = {"model": f"demo@{32 + number % 8}", "input": [f"text number {number}"], "pad": "x" * padding}
        data = json.dumps(body).encode()
        head = f"POST /api/embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
        return number, head.encode() + data

    async def _answered(self, shape: str, reader: asyncio.StreamReader, number: int) -> bool:
        began = time.monotonic()
        try:
            async with asyncio.timeout(WITHIN):
                status, body = await _read(reader)
        except TimeoutError:
            self.ledger.fail(f"{shape}: no answer within {WITHIN:.0f} s, after {self.ledger.asked} requests")
            return False
        except (asyncio.IncompleteReadError, ValueError) as error:
            self.ledger.fail(f"{shape}: the connection ended without an answer: {error}")
            return False
        self.ledger.worst = max(self.ledger.worst, time.monotonic() - began)
        if status != 200 or len(json.loads(body)["embeddings"][0]) != 32 + number % 8:
            self.ledger.fail(f"{shape}: {status}, not its own answer: {body[:200]!r}")
        else:
            self.ledger.answered[shape] += 1
        return True


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


async def _load(port: int, most: int, clients: int, chance: random.Random) -> Ledger:
    ledger = Ledger()
    chances = [random.Random(chance.random()) for _ in range(clients)]  # noqa: S311 -- what is asked
    tasks = [asyncio.create_task(Client(port, one, ledger).run(most)) for one in chances]
    said = 0
    while waiting := [task for task in tasks if not task.done()]:
        await asyncio.wait(waiting, timeout=2.0)
        if ledger.asked - said >= most / 20:
            said = ledger.asked
            CONSOLE.print(_line(ledger))
    await asyncio.gather(*tasks)
    return ledger


def _line(ledger: Ledger) -> str:
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(ledger.answered.items()))
    longest = f"longest wait {ledger.worst:.1f} s"
    return f"{ledger.asked:,} asked; {kinds}; {ledger.left:,} left; {longest}; {len(ledger.failures)} failures"


def _settled(running: Bridge) -> str:
    """What the bridge still holds of clients that are all gone; nothing, if all went well."""
    until, found = time.monotonic() + 10, ""
    while time.monotonic() < until:
        lines = requests.get(f"{running.url}/metrics", timeout=30).text.splitlines()
        queued = sum(float(line.split()[1]) for line in lines if line.startswith("embed_bridge_queue_texts{"))
        states = Counter(one.status for one in psutil.Process(running.pid).net_connections("tcp"))
        found = f"{queued:.0f} texts wait, sockets: {dict(states)}"
        if not queued and not states[psutil.CONN_CLOSE_WAIT]:
            return ""
        time.sleep(0.2)
    return found


def dropped() -> int:
    """Connections that this machine's listening sockets had no room for, of all programs: Linux alone tells."""
    with suppress(OSError, ValueError):
        names, values = (
            line.split() for line in Path("/proc/net/netstat").read_text().splitlines() if line.startswith("TcpExt:")
        )
        return int(values[names.index("ListenOverflows")])
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unanswered", description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeats a run")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    given = parser.parse_args(argv)
    CONSOLE.print(f"seed {given.seed}")
    before = dropped()
    with bridge("--demo", "--set", "engine.threads=1", "--set", "cache.disk=0", cached=True) as running:
        port = int(running.url.rpartition(":")[2])
        running.embed(*(f"text number {number}" for number in range(TEXTS)))
        ledger = asyncio.run(_load(port, given.requests, given.clients, random.Random(given.seed)))  # noqa: S311 -- to be repeated
        if held := _settled(running):
            ledger.fail(f"the bridge still holds something: {held}")
        if "Traceback" in running.log.read_text(errors="replace"):
            ledger.fail("a traceback stands in the bridge's log")
    if lost := dropped() - before:
        CONSOLE.print(f"{lost} connections found no room in a listening socket's backlog, in all of this machine")
    CONSOLE.print(_line(ledger))
    if given.json:
        fields = {"seed": given.seed, "asked": ledger.asked, "answered": dict(ledger.answered), "left": ledger.left}
        fields |= {"longest_seconds": round(ledger.worst, 3), "backlog_overflows": lost, "failures": ledger.failures}
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
    return 1 if ledger.failures else 0


if __name__ == "__main__":
    sys.exit(main())
