"""What a benchmark hands back, and what is aimed at."""

import statistics
from collections.abc import Mapping, Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """One figure over all rounds: the median, and the lowest and highest of them."""

    median: float
    low: float
    high: float


class Row(msgspec.Struct, frozen=True):
    """The figures of one subject asked in one shape. `requests` is how many answers they rest on."""

    benchmark: str
    subject: str
    shape: str
    requests: int
    figures: Mapping[str, Spread]


class Aim(msgspec.Struct, frozen=True):
    """What the bridge shall reach in one figure; exactly one of the bounds is set."""

    figure: str
    at_most: float | None = None
    at_least: float | None = None

    def met(self, value: float) -> bool:
        if self.at_least is not None:
            return value >= self.at_least
        return self.at_most is not None and value <= self.at_most

    def __str__(self) -> str:
        return f"≥ {self.at_least:,g}" if self.at_least is not None else f"≤ {self.at_most:g}"


ADDED, PER_SECOND, RESIDENT = "added p50, ms", "requests/s", "RSS, MB"
AIMS: Mapping[str, Aim] = {
    "latency": Aim(ADDED, at_most=0.6),
    "throughput": Aim(PER_SECOND, at_least=4000),
    "memory": Aim(RESIDENT, at_most=80),
}


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], percent: int) -> float:
    """Nearest rank. ValueError where there is no value."""
    if not values:
        raise ValueError("no value to take a percentile of")
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]
