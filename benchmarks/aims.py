"""What the rows of latency, throughput and memory come to, beside the alternatives and what was aimed at."""

from collections.abc import Iterator, Sequence

from benchmarks.figures import ADDED, P50, PER_SECOND, RESIDENT, Row
from benchmarks.outcome import Outcome
from benchmarks.shapes import OPENAI_BASE64, OPENAI_FLOAT
from benchmarks.subjects import BRIDGE, HIT

LITELLM, NGINX = "LiteLLM", "nginx"


class _Rows:
    """Medians by benchmark, subject, shape and figure; None where that was not measured."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = {(row.benchmark, row.subject, row.shape): row for row in rows}

    def get(self, benchmark: str, subject: str, shape: str, figure: str) -> float | None:
        row = self._rows.get((benchmark, subject, shape))
        return None if row is None else row.figures[figure].median


def outcomes(rows: Sequence[Row]) -> Sequence[Outcome]:
    """Those that the rows are enough for."""
    found = _Rows(rows)
    return [*_latency(found), *_throughput(found), *_memory(found)]


def _latency(found: _Rows) -> Iterator[Outcome]:
    for shape in (OPENAI_BASE64.name, OPENAI_FLOAT.name):
        added = found.get("latency", BRIDGE, shape, ADDED)
        if added is None:
            continue
        nginx, litellm = (found.get("latency", name, shape, ADDED) for name in (NGINX, LITELLM))
        beside = ", ".join(f"{name} {it:.2f}" for name, it in ((NGINX, nginx), (LITELLM, litellm)) if it is not None)
        yield Outcome("latency", f"added at p50, {shape}, ms", added, beside, at_most=0.6)
        if litellm:
            yield Outcome("latency", f"the same over LiteLLM's, {shape}", added / litellm, at_most=0.1)
        hit = found.get("latency", HIT, shape, P50)
        if hit is not None:
            yield Outcome("latency", f"cache hit, p50, {shape}, ms", hit, at_most=0.3)


def _throughput(found: _Rows) -> Iterator[Outcome]:
    for shape in (OPENAI_BASE64.name, OPENAI_FLOAT.name):
        case = f"{shape}, 16 clients"
        rate = found.get("throughput", BRIDGE, case, PER_SECOND)
        if rate is None:
            continue
        nginx, litellm = (found.get("throughput", name, case, PER_SECOND) for name in (NGINX, LITELLM))
        beside = ", ".join(f"{name} {it:,.0f}" for name, it in ((NGINX, nginx), (LITELLM, litellm)) if it is not None)
        yield Outcome("throughput", f"requests/s, {case}", rate, beside, at_least=4_000)
        if litellm:
            yield Outcome("throughput", f"the same over LiteLLM's, {shape}", rate / litellm, at_least=50)
        hit = found.get("throughput", HIT, case, PER_SECOND)
        if hit is not None:
            yield Outcome("throughput", f"cache hit, requests/s, {case}", hit, at_least=6_000)


def _memory(found: _Rows) -> Iterator[Outcome]:
    resident = found.get("memory", BRIDGE, OPENAI_FLOAT.name, RESIDENT)
    if resident is not None:
        litellm = found.get("memory", LITELLM, OPENAI_FLOAT.name, RESIDENT)
        beside = "" if litellm is None else f"LiteLLM {litellm:,.0f}"
        yield Outcome("memory", "RSS after 10,000 requests, cache off, MB", resident, beside, at_most=80)
