"""The benchmarks themselves. Subjects take turns, round by round, so that a noisy minute falls on all of them."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks.client import AnswerError, Load, OneClient, many_clients
from benchmarks.figures import ADDED, PER_SECOND, RESIDENT, Row, percentile, spread
from benchmarks.processes import cpu_seconds, resident_mb
from benchmarks.shapes import Shape
from benchmarks.subjects import DIRECT, Subject


@dataclass(frozen=True)
class Plan:
    """How much is measured. A turn ends at its number of requests or its seconds, whichever comes first."""

    rounds: int
    latency_requests: int
    latency_seconds: float
    clients: tuple[int, ...]
    throughput_seconds: float
    memory_requests: int
    memory_seconds: float


FULL = Plan(
    rounds=5,
    latency_requests=400,
    latency_seconds=1.5,
    clients=(16, 128),
    throughput_seconds=1.2,
    memory_requests=10_000,
    memory_seconds=60,
)
QUICK = Plan(
    rounds=1,
    latency_requests=50,
    latency_seconds=2,
    clients=(16, 128),
    throughput_seconds=0.2,
    memory_requests=200,
    memory_seconds=10,
)

Measure = Callable[[Sequence[Subject], Plan], list[Row]]
Case = tuple[Subject, Shape]


class SubjectError(Exception):
    """`subject` does not answer as it should: it cannot be measured, but the others can."""

    def __init__(self, subject: Subject, reason: object) -> None:
        super().__init__(f"{subject.name}: {reason}")
        self.subject = subject


def check(subject: Subject, engine: Subject) -> None:
    """It hands on the upstream's own vector, in every shape. SubjectError where it does not."""
    for shape in subject.shapes:
        with _blaming(subject):
            got, expected = shape.vector(_once(subject, shape)), shape.vector(_once(engine, shape))
            if got.shape != expected.shape or not np.allclose(got, expected, atol=1e-6):
                raise AnswerError(f"{shape.name}: the answer is not the upstream's vector")


def memory(subjects: Sequence[Subject], plan: Plan) -> list[Row]:
    """Resident memory before the first request and after the last. Also warms everything up: it comes first."""
    return [_memory(subject, plan) for subject in subjects if not _is_direct(subject)]


def latency(subjects: Sequence[Subject], plan: Plan) -> list[Row]:
    """One client: milliseconds of an exchange, and what of them the subject adds to asking the upstream directly."""
    took: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for subject, shape in _turns(subjects, plan):
        with _blaming(subject), OneClient(subject.port) as client:
            client.exchange(shape.request(subject.port))
            turn = client.milliseconds(
                shape.request(subject.port), most=plan.latency_requests, seconds=plan.latency_seconds
            )
            took[subject.name, shape.name].append(turn)
    return [_latency_row(name, shape, rounds, took[DIRECT, shape]) for (name, shape), rounds in took.items()]


def throughput(subjects: Sequence[Subject], plan: Plan) -> list[Row]:
    """Many clients at once, the subject on one core: requests a second, and CPU time a request of the subject."""
    loads: dict[tuple[str, str], list[tuple[Load, float]]] = defaultdict(list)
    for subject, shape in _turns(subjects, plan):
        for clients in plan.clients:
            before = cpu_seconds(subject.pid)
            load = _load(subject, shape, clients, most=1 << 62, seconds=plan.throughput_seconds)
            loads[subject.name, f"{shape.name}, {clients} clients"].append((load, cpu_seconds(subject.pid) - before))
    return [_throughput_row(name, shape, rounds) for (name, shape), rounds in loads.items()]


MEASURES: dict[str, Measure] = {"memory": memory, "latency": latency, "throughput": throughput}


def _memory(subject: Subject, plan: Plan) -> Row:
    at_start, shape = resident_mb(subject.pid), subject.shapes[0]
    load = _load(subject, shape, plan.clients[0], most=plan.memory_requests, seconds=plan.memory_seconds)
    figures = {"RSS at start, MB": spread([at_start]), RESIDENT: spread([resident_mb(subject.pid)])}
    return Row("memory", subject.name, shape.name, load.requests, figures)


def _latency_row(name: str, shape: str, rounds: list[list[float]], direct: list[list[float]]) -> Row:
    figures = {f"p{percent}, ms": spread([percentile(turn, percent) for turn in rounds]) for percent in (50, 95)}
    for percent, figure in ((50, ADDED), (95, "added p95, ms")):
        pairs = zip(rounds, direct, strict=True)
        figures[figure] = spread([percentile(turn, percent) - percentile(base, percent) for turn, base in pairs])
    return Row("latency", name, shape, sum(map(len, rounds)), figures)


def _throughput_row(name: str, shape: str, rounds: list[tuple[Load, float]]) -> Row:
    figures = {
        PER_SECOND: spread([load.requests / load.seconds for load, _ in rounds]),
        "CPU/request, ms": spread([cpu / load.requests * 1000 for load, cpu in rounds]),
    }
    return Row("throughput", name, shape, sum(load.requests for load, _ in rounds), figures)


def _load(subject: Subject, shape: Shape, clients: int, *, most: int, seconds: float) -> Load:
    with _blaming(subject):
        return many_clients(subject.port, shape.request(subject.port), clients=clients, most=most, seconds=seconds)


@contextmanager
def _blaming(subject: Subject) -> Iterator[None]:
    try:
        yield
    except (AnswerError, OSError, KeyError, TypeError, ValueError) as error:
        raise SubjectError(subject, error) from error


def _turns(subjects: Sequence[Subject], plan: Plan) -> Iterator[Case]:
    for _ in range(plan.rounds):
        yield from _cases(subjects)


def _cases(subjects: Sequence[Subject]) -> Iterator[Case]:
    return ((subject, shape) for subject in subjects for shape in subject.shapes)


def _once(subject: Subject, shape: Shape) -> bytes:
    with OneClient(subject.port) as client:
        return client.exchange(shape.request(subject.port))


def _is_direct(subject: Subject) -> bool:
    return subject.name == DIRECT
