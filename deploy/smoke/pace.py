"""How fast a server embeds: measured and reported, never judged."""

import secrets
import statistics
import time
from dataclasses import dataclass

from embedstack.deploy.smoke.server import Server

ALONE, TOGETHER = 10, 32  # texts
MOST_SECONDS = 20.0  # for the texts alone; a model on a CPU may take seconds each


@dataclass(frozen=True)
class Pace:
    """Milliseconds for a short text alone, at the median, and texts a second in one request."""

    latency_ms: float
    texts_per_second: float


def measure(server: Server) -> Pace:
    """Of texts that no cache can hold. BridgeRefused."""
    marked = secrets.token_hex(8)
    times: list[float] = []
    while len(times) < ALONE and sum(times) < MOST_SECONDS:
        began = time.perf_counter()
        server.embed([f"What is the capital of country {marked} {len(times)}?"])
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    server.embed([f"Paragraph {number} of document {marked} says what nobody has asked." for number in range(TOGETHER)])
    return Pace(statistics.median(times) * 1000, TOGETHER / (time.perf_counter() - began))
