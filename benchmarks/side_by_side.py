"""Latency, throughput and memory of nothing, nginx, LiteLLM and the bridge before one scripted upstream."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks.figures import Row
from benchmarks.measures import FULL, MEASURES, QUICK, Plan, SubjectError, check
from benchmarks.missing import MissingError
from benchmarks.processes import Cores, cores, pinned
from benchmarks.subjects import BRIDGE, DIRECT, Subject, starts, upstream
from tests.engines.process import EngineError

NAMES = tuple(MEASURES)


@dataclass(frozen=True)
class Measured:
    """`failed` says, for what could not be measured, why."""

    rows: Sequence[Row] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    failed: Sequence[str] = ()


def run(names: Sequence[str], progress: Console, *, quick: bool) -> Measured:
    """The rows of these benchmarks; of none, nothing is started."""
    if not names:
        return Measured()
    plan, on, rows = QUICK if quick else FULL, cores(), list[Row]()
    try:
        with _started(on, quick=quick) as (subjects, failed), pinned(on.load):
            versions = {subject.name: subject.version for subject in subjects if subject.version}
            for name in names:
                rows += _measured(name, subjects, plan, failed, progress)
            return Measured(rows, versions, asdict(plan), failed)
    except (EngineError, SubjectError, AssertionError) as error:
        return Measured(failed=[f"nothing beside others, since what all are compared with failed: {error}"])


def _measured(name: str, subjects: list[Subject], plan: Plan, failed: list[str], progress: Console) -> list[Row]:
    """The rows of one benchmark. A subject that fails is taken out and named, and the others begin again."""
    while True:
        progress.print(f"{name}: {', '.join(subject.name for subject in subjects)}")
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
