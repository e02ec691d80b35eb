"""`python -m benchmarks [NAME ...] [--json FILE] [--quick]`.

Exit codes: 0 measured, aims reached or not; 1 something could not be measured; 2 wrong arguments.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks import machine, report
from benchmarks.figures import Row
from benchmarks.measures import FULL, MEASURES, QUICK, Plan, SubjectError, check
from benchmarks.missing import MissingError
from benchmarks.processes import Cores, cores, pinned
from benchmarks.subjects import BRIDGE, DIRECT, Subject, starts, upstream
from tests.engines.process import EngineError

PROGRESS = Console(stderr=True)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    plan = QUICK if arguments.quick else FULL
    found = machine.describe()
    names = [name for name in MEASURES if name in (arguments.name or MEASURES)]
    try:
        rows, versions, failed = _run(names, plan, quick=arguments.quick)
    except (EngineError, SubjectError, AssertionError) as error:
        PROGRESS.print(f"Nothing could be measured, since what all are compared with failed: {error}", markup=False)
        return 1
    settings = {key: float(value) for key, value in asdict(plan).items()}
    result = report.Report(found, versions, settings, rows, failed)
    report.show(result, Console(width=None if sys.stdout.isatty() else 150))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_bytes(report.encode(result))
    return 1 if failed else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The bridge beside the alternatives.")
    parser.add_argument("name", nargs="*", metavar="NAME", help=f"{', '.join(MEASURES)}; all of them if none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--quick", action="store_true", help="the bridge alone and briefly: shows that it works")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.name) - set(MEASURES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    return arguments


def _run(names: Sequence[str], plan: Plan, *, quick: bool) -> tuple[list[Row], Mapping[str, str], list[str]]:
    rows: list[Row] = []
    on = cores()
    with _started(on, quick=quick) as (subjects, failed), pinned(on.load):
        versions = {subject.name: subject.version for subject in subjects if subject.version}
        for name in names:
            rows += _measured(name, subjects, plan, failed)
        return rows, versions, failed


def _measured(name: str, subjects: list[Subject], plan: Plan, failed: list[str]) -> list[Row]:
    """The rows of one benchmark. A subject that fails is taken out and named, and the others begin anew."""
    while True:
        PROGRESS.print(f"{name}: {', '.join(subject.name for subject in subjects)}")
        try:
            return MEASURES[name](subjects, plan)
        except SubjectError as error:
            if error.subject.name == DIRECT:
                raise
            failed.append(f"{name}, {error}")
            subjects.remove(error.subject)


@contextmanager
def _started(on: Cores, *, quick: bool) -> Iterator[tuple[list[Subject], list[str]]]:
    """Everything that is compared, running; and why what is missing is missing."""
    subjects, failed = [], []
    with tempfile.TemporaryDirectory(prefix="embedstack-bench-") as made, ExitStack() as running:
        engine = running.enter_context(upstream(Path(made), on))
        subjects.append(engine)
        for name, start in starts(engine, Path(made), on).items():
            if quick and not name.startswith(BRIDGE):
                continue
            try:
                check(subject := running.enter_context(start()), engine)
                subjects.append(subject)
            except (MissingError, EngineError, AssertionError) as error:
                failed.append(f"{name}: {error}")
            except SubjectError as error:
                failed.append(str(error))
        yield subjects, failed


if __name__ == "__main__":
    sys.exit(main())
