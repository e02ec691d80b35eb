"""Run it: a bridge of its own with the demo model and the embedded engine, on 127.0.0.1."""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

import platformdirs
from rich.console import Console

from benchmarks import fuzz as package
from benchmarks.fuzz import file_work
from benchmarks.fuzz.ledger import Ledger
from benchmarks.fuzz.run import Fuzz, Target
from benchmarks.fuzz.truth import Truth
from embedstack.models.demo.build import build, default_folder
from tests.bridge_process import bridge

CONSOLE = Console(stderr=True, highlight=False)
# As in the soak: a cache out of which texts fall all the time, so that nothing that grows can hide in it; and a short
# context: what is measured is the bridge, and on two cores a text of 8,000 tokens takes its engine half a minute.
SETTINGS = ("cache.memory=2 MiB", "cache.disk=16 MiB", "engine.threads=1", "engine.context=1024")


def main(argv: Sequence[str] | None = None) -> int:
    given = _parsed(argv)
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    CONSOLE.print(f"seed {seed}")
    folder = given.folder or Path(platformdirs.user_cache_dir("embedstack")) / "fuzz"
    ledger = Ledger(seed, folder / str(seed))
    demo = build(default_folder())
    with (
        bridge("--demo", *(part for one in SETTINGS for part in ("--set", one)), cached=True) as running,
        file_work.work() as work,
    ):
        target = Target(running.url, running.pid, running.log)
        fuzz = Fuzz(target, Truth.of(demo.hf), ledger, work)
        if given.only:
            asyncio.run(fuzz.once(given.only))
        else:
            asyncio.run(fuzz.run(60 * given.minutes, lambda line: CONSOLE.print(line, markup=False)))
    _report(ledger, as_json=given.json)
    return 1 if ledger.findings else 0


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=package.__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, help="the tries of another run, in the same order for each kind")
    parser.add_argument("--only", metavar="KIND:NUMBER", help="one try of that seed again")
    parser.add_argument("--folder", type=Path, help="where findings are kept; the user's cache otherwise")
    parser.add_argument("--json", action="store_true", help="the result on standard output, for scripts")
    return parser.parse_args(argv)


def _report(ledger: Ledger, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(ledger.as_json() + "\n")
    for kind, count in sorted(ledger.tries.items()):
        CONSOLE.print(f"{count:9,}  {kind}", markup=False)
    message = ", ".join(f"{count:,} x {status}" for status, count in sorted(ledger.statuses.items()))
    CONSOLE.print(f"answers: {message or 'none'}")
    for finding in ledger.findings[:20]:
        CONSOLE.print(f"{finding.kind} {finding.number}: {finding.problem}", style="red", markup=False)
        CONSOLE.print(f"  {ledger.again(finding.kind, finding.number)}", markup=False)
    total = f"{sum(ledger.tries.values()):,} tries, seed {ledger.seed}"
    if ledger.findings:
        CONSOLE.print(f"{total}: {len(ledger.findings)} findings, kept in {ledger.folder}", style="bold red")
    else:
        CONSOLE.print(f"{total}: nothing found", style="green")


if __name__ == "__main__":
    sys.exit(main())
