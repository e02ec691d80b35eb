"""Counters for /metrics. They never contain a text, a vector or a key."""

from collections.abc import Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from embedstack.bridge.request import EmbedResult, Lane

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
# A cache lookup and the encoding of an answer take microseconds.
FINE = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, *BUCKETS)


class Telemetry:
    """Each application has a registry of its own, so that two in one process do not add up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = self._histogram(
            "embed_bridge_request_seconds", "Time from the request's head to its answer.", ("path", "status"), BUCKETS
        )
        self._stages = self._histogram(
            "embed_bridge_stage_seconds",
            "Time of a request in each stage: cache (looking), queue (waiting for an engine), engine, encode.",
            ("stage", "lane", "door"),
            FINE,
        )
        self._calls = self._histogram(
            "embed_bridge_engine_call_seconds", "Time of one call to an engine.", ("backend", "outcome"), BUCKETS
        )
        self._call_texts = self._counter(
            "embed_bridge_engine_texts", "Texts sent to an engine.", ("backend", "outcome")
        )
        self._texts = self._counter(
            "embed_bridge_texts", "Texts answered, by where their vector came from.", ("outcome", "lane", "door")
        )
        self._roles = self._counter(
            "embed_bridge_role_texts", "Texts answered, by what said their role, and for whom.", ("origin", "client")
        )
        self._truncated = self._counter("embed_bridge_truncated_texts", "Texts cut because the request allowed it.")
        self._ready = self._gauge("embed_bridge_engine_ready", "1 when the engine serves.", ("backend",))
        self._gate = self._gauge(
            "embed_bridge_gate_check",
            "1 when the engine passed this check of the gate, 0 when not.",
            ("backend", "check"),
        )
        self._waiting = self._gauge("embed_bridge_queue_texts", "Texts waiting for an engine.", ("lane",))
        self._waiting_bytes = self._gauge("embed_bridge_queue_bytes", "Bytes of text waiting for an engine.")
        self._cache = self._gauge("embed_bridge_cache_bytes", "Bytes of vectors kept.", ("tier",))
        self._cache_entries = self._gauge("embed_bridge_cache_entries", "Vectors kept.", ("tier",))
        self._engines: set[str] = set()
        # prometheus_client looks up a label set at each call. There are few label sets, so each is looked up once.
        self._request = cache(self._requests.labels)
        self._stage = cache(self._stages.labels)
        self._text = cache(self._texts.labels)
        self._call = cache(self._calls.labels)
        self._role = cache(self._roles.labels)

    def observe_request(self, path: str, status: int, seconds: float) -> None:
        self._request(path, status).observe(seconds)

    def observe_answer(self, door: str, result: EmbedResult, encode: float) -> None:
        """`encode` in seconds."""
        lane, stages, found = result.lane, result.stages, result.found
        self._stage("cache", lane, door).observe(stages.cache)
        self._stage("encode", lane, door).observe(encode)
        if found.hit:
            self._text("hit", lane, door).inc(found.hit)
        if found.joined:
            self._text("joined", lane, door).inc(found.joined)
        if found.miss:
            self._text("miss", lane, door).inc(found.miss)
        if found.miss or found.joined:
            self._stage("queue", lane, door).observe(stages.queue)
            self._stage("engine", lane, door).observe(stages.engine)

    def observe_role(self, origin: str, texts: int, *, webui: bool) -> None:
        self._role(origin, "open-webui" if webui else "other").inc(texts)

    def observe_call(self, backend: str, outcome: str, seconds: float, texts: int) -> None:
        self._call(backend, outcome).observe(seconds)
        self._call_texts.labels(backend, outcome).inc(texts)

    def observe_truncated(self, texts: int) -> None:
        self._truncated.inc(texts)

    def observe_engines(self, serving: Mapping[str, bool]) -> None:
        """Engines by name. An engine that is no longer listed is removed from the metrics."""
        for gone in self._engines - set(serving):
            self._ready.remove(gone)
        self._engines = set(serving)
        for name, serves in serving.items():
            self._ready.labels(name).set(serves)

    def observe_gate(self, backend: str, checks: Mapping[str, bool]) -> None:
        for check, ok in checks.items():
            self._gate.labels(backend, check).set(ok)

    def observe_queue(self, waiting: Mapping[Lane, int], size: int) -> None:
        for lane, texts in waiting.items():
            self._waiting.labels(lane).set(texts)
        self._waiting_bytes.set(size)

    def observe_cache(self, tier: str, entries: int, size: int) -> None:
        self._cache.labels(tier).set(size)
        self._cache_entries.labels(tier).set(entries)

    def _histogram(self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)
