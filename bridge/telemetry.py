"""Counters for /metrics. Never a text, a vector or a key."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Telemetry:
    """One registry for one application, so that two in one process do not add up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._seconds = Histogram(
            "embed_bridge_request_seconds",
            "Time from the request's head to its answer.",
            ("path", "status"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._truncated = Counter(
            "embed_bridge_truncated_texts", "Texts cut because the request allowed it.", registry=self.registry
        )
        self._ready = Gauge("embed_bridge_engine_ready", "1 when the engine serves.", registry=self.registry)
        self._waiting = Gauge(
            "embed_bridge_queue_texts", "Texts at the engine or waiting for it.", registry=self.registry
        )

    def observe_request(self, path: str, status: int, seconds: float) -> None:
        self._seconds.labels(path, status).observe(seconds)

    def observe_truncated(self, texts: int) -> None:
        self._truncated.inc(texts)

    def observe_engine(self, *, ready: bool, waiting: int) -> None:
        self._ready.set(ready)
        self._waiting.set(waiting)
