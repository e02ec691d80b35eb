"""`python -m benchmarks [NAME ...] [--json FILE] [--plot FILE] [--quick] [--full]`.

FLOOD in the environment is the number of chunks of the flood: 2,000 unless said otherwise, 300 where CI is set.
Exit codes: 0 measured, aims reached or not; 1 something could not be measured; 2 wrong arguments.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks import aims, engines, flood, growth, machine, realsize, report, reupload, side_by_side
from benchmarks.missing import MissingError
from benchmarks.outcome import Outcome, Points, Result
from tests.engines.process import EngineError

PROGRESS = Console(stderr=True)
BY_NAME = ("realsize",)
"""Those that run only where they are named: a quarter of an hour and two engines of their own."""
Scaled = Callable[[], Result]


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    found, began = machine.describe(), time.monotonic()
    chunks = _chunks(quick=arguments.quick)
    scaled = _scaled(chunks, quick=arguments.quick, full=arguments.full)
    asked = arguments.name or [*side_by_side.NAMES, *(name for name in scaled if name not in BY_NAME)]
    measured = side_by_side.run([name for name in side_by_side.NAMES if name in asked], PROGRESS, quick=arguments.quick)
    outcomes, lines, failed = list[Outcome](aims.outcomes(measured.rows)), dict[str, Points](), list(measured.failed)
    for name in (name for name in scaled if name in asked):
        PROGRESS.print(f"{name} …")
        try:
            result = scaled[name]()
        except (EngineError, MissingError, AssertionError, OSError) as error:
            failed.append(f"{name}: {error}")
        else:
            outcomes += result.outcomes
            lines |= result.lines
    settings = {**measured.settings, "flood": chunks, "seconds": round(time.monotonic() - began)}
    whole = report.Report(found, measured.versions, settings, measured.rows, outcomes, lines, failed)
    report.show(whole, Console(width=None if sys.stdout.isatty() else 150))
    _write(whole, arguments.json, arguments.plot, chunks)
    return 1 if failed else 0


def _scaled(chunks: int, *, quick: bool, full: bool) -> Mapping[str, Scaled]:
    """The benchmarks that are more than one request after another, as large as they are asked for."""
    if quick:
        return {
            "flood": partial(flood.run, chunks),
            "reupload": partial(reupload.run, 40),
            "engines": partial(engines.run, 40),
            "growth": partial(growth.run, 2_000, 1_000),
            "realsize": partial(realsize.run, realsize.QUICK),
        }
    return {
        "flood": partial(flood.run, chunks),
        "reupload": partial(reupload.run, 500),
        "engines": partial(engines.run, 400),
        "growth": partial(growth.run, 200_000, 1_000_000 if full else 100_000),
        "realsize": partial(realsize.run, realsize.Plan(), "4b" if full else "0.6b"),
    }


def _chunks(*, quick: bool) -> int:
    return int(os.environ.get("FLOOD") or (300 if quick or os.environ.get("CI") else 2_000))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    names = [*side_by_side.NAMES, *_scaled(0, quick=False, full=False)]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The bridge beside the alternatives.")
    parser.add_argument(
        "name", nargs="*", metavar="NAME", help=f"{', '.join(names)}; all but {', '.join(BY_NAME)} if none is named"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the flood there, as SVG")
    parser.add_argument("--quick", action="store_true", help="the bridge alone and briefly: shows that it works")
    parser.add_argument("--full", action="store_true", help="a disk cache of a million vectors")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.name) - set(names):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return arguments


def _write(whole: report.Report, file: Path | None, plot: Path | None, chunks: int) -> None:
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(report.encode(whole))
    if plot and whole.lines:
        # matplotlib takes a second to load: only for anyone who wants a picture
        from benchmarks import plots

        plots.flood(whole.lines, chunks, plot)


if __name__ == "__main__":
    sys.exit(main())
