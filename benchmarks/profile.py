"""`python -m benchmarks.profile`: where the bridge's CPU time for a request goes, in microseconds a part.

The bridge runs twice before the scripted upstream: once as it is, for the time that a request takes, and once under
cProfile, for the share that each part has of it. What is written in C counts where it is called from.
"""

import pstats
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.client import many_clients
from benchmarks.processes import cores, cpu_seconds, pinned
from benchmarks.shapes import MODEL, OPENAI_BASE64, OPENAI_FLOAT, Shape
from benchmarks.subjects import CONCURRENCY, ROOT, environ, upstream
from embedstack.host import processes
from tests.engines.process import free_port, process, wait_until_ready

REQUESTS = 20_000
CLIENTS = 16
# The first that a file's path holds says which part it is.
PARTS = {
    "/bridge/listen/protocol.py": "HTTP: the client's side (uvicorn, httptools)",
    "/uvicorn/": "HTTP: the client's side (uvicorn, httptools)",
    "/bridge/backends/checks": "checking the vector",
    "/bridge/backends/": "HTTP and JSON: the engine's side",
    "/bridge/api/answers": "writing the answer (JSON, base64, headers)",
    "/vectors/mrl": "writing the answer (JSON, base64, headers)",
    "/starlette/": "the doors: guard, body, fields",
    "/bridge/api/": "the doors: guard, body, fields",
    "/bridge/app": "the doors: guard, body, fields",
    "/bridge/request": "the doors: guard, body, fields",
    "/prometheus_client/": "metrics",
    "/bridge/observe/": "metrics",
    "/bridge/cache/": "cache and keys",
    "/bridge/index/": "cache and keys",
    "/bridge/supply": "scheduling: flights, lanes, pool, engine",
    "/bridge/traffic/": "scheduling: flights, lanes, pool, engine",
    "/bridge/engines/retry": "checking the vector",
    "/bridge/engines/": "scheduling: flights, lanes, pool, engine",
    "/vectors/checks": "checking the vector",
    "/numpy/": "checking the vector",
    "/bridge/": "names, prompt, length",
    "/embedstack/models/": "names, prompt, length",
}
OTHERS = "event loop, tasks, time-outs"

Key = tuple[str, int, str]


def main() -> int:
    table = Table(title=f"CPU time of a request, one text, {CLIENTS} clients, cache off", title_justify="left")
    table.add_column("µs")
    measured = {shape.name: _measured(shape) for shape in (OPENAI_BASE64, OPENAI_FLOAT)}
    for name in measured:
        table.add_column(name, justify="right")
    parts = sorted({part for found in measured.values() for part in found}, key=lambda part: -_most(measured, part))
    for part in parts:
        table.add_row(part, *(f"{found.get(part, 0):.0f}" for found in measured.values()))
    table.add_row("all", *(f"{sum(found.values()):.0f}" for found in measured.values()), style="bold")
    Console(width=100).print(table)
    return 0


def _most(measured: Mapping[str, Mapping[str, float]], part: str) -> float:
    return max(found.get(part, 0) for found in measured.values())


def _measured(shape: Shape) -> Mapping[str, float]:
    """Microseconds a request by part."""
    with tempfile.TemporaryDirectory(prefix="embedstack-profile-") as made:
        folder = Path(made)
        with upstream(folder, cores()) as engine:
            seconds = _run(shape, engine.port, folder, ["-m", "embedstack.bridge"])
            file = folder / "profile"
            _run(shape, engine.port, folder, ["-m", "benchmarks.profiled", str(file)])
        shares = by_part(pstats.Stats(str(file)))
    return {part: share * seconds * 1e6 for part, share in shares.items()}


def _run(shape: Shape, engine: int, folder: Path, program: Sequence[str]) -> float:
    """Seconds of CPU a request."""
    with _bridge(engine, folder, program) as (port, pid):
        many_clients(port, shape.request(port), clients=CLIENTS, most=1_000, seconds=60)
        before = cpu_seconds(pid)
        load = many_clients(port, shape.request(port), clients=CLIENTS, most=REQUESTS, seconds=60)
        return (cpu_seconds(pid) - before) / load.requests


@contextmanager
def _bridge(engine: int, folder: Path, program: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Its port and process; ended by SIGTERM, so that a profile is written."""
    port, log = free_port(), folder / "bridge.log"
    settings = {
        "engine.kind": "openai",
        "engine.concurrency": CONCURRENCY,
        "model.id": MODEL,
        "model.precision": "f16",
        "cache.memory": 0,
        "cache.disk": 0,
    }
    argv = processes.command(*program)
    argv += ["--upstream", f"http://127.0.0.1:{engine}", "--listen", f"127.0.0.1:{port}"]
    argv += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    environment = {**environ(), "PYTHONPATH": str(ROOT)}
    with pinned(cores().measured), process(argv, env=environment, log=log) as child:
        wait_until_ready(child, f"http://127.0.0.1:{port}/readyz", seconds=60, log=log)
        yield port, child.pid
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def by_part(stats: pstats.Stats) -> Mapping[str, float]:
    """Share of the time by part, the loop's waiting left out."""
    spent: Counter[str] = Counter()
    table: Mapping[Key, tuple[int, int, float, float, Mapping[Key, tuple[int, int, float, float]]]] = stats.stats  # type: ignore[attr-defined]  # the dictionary that pstats is about
    for key, (_, _, own, _, callers) in table.items():
        if _waits(key[2]):
            continue
        if key[0] == "~":  # written in C: its callers' work
            for caller, (_, _, seconds, _) in callers.items():
                spent[_part(caller[0])] += seconds
        else:
            spent[_part(key[0])] += own
    whole = sum(spent.values())
    return {part: seconds / whole for part, seconds in spent.items()}


def _waits(function: str) -> bool:
    """The loop itself, in whose time the process stands still too."""
    return "uvloop.loop.Loop" in function and "run" in function


def _part(file: str) -> str:
    return next((part for held, part in PARTS.items() if held in file), OTHERS)


if __name__ == "__main__":
    sys.exit(main())
