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


ADDED, P50, PER_SECOND, RESIDENT = "added p50, ms", "p50, ms", "requests/s", "RSS, MB"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], percent: int) -> float:
    """Nearest rank. ValueError where there is no value."""
    if not values:
        raise ValueError("no value to take a percentile of")
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]
