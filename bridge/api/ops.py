"""The bridge's own routes: is it alive, is it ready and if not why, metrics, the trace, what a request would become,
and what an index is made with.
"""

from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from embedstack import __version__
from embedstack.bridge.api import fields
from embedstack.bridge.api.answers import json_answer
from embedstack.bridge.api.body import read_object, read_sent
from embedstack.bridge.api.dialects import understood
from embedstack.bridge.api.guard import Admins
from embedstack.bridge.cache.cache import Cache
from embedstack.bridge.engines.engine import Engine
from embedstack.bridge.errors import BadRequest, IndexMismatch, shown
from embedstack.bridge.index.expectation import FINGERPRINT
from embedstack.bridge.observe.telemetry import Telemetry
from embedstack.bridge.observe.trace import Trace
from embedstack.bridge.pipeline import Pipeline
from embedstack.bridge.request import EmbedRequest
from embedstack.bridge.settings.security import Security
from embedstack.bridge.settings.structs import Settings
from embedstack.contract.answers import EngineCheck, EngineReadiness, Readiness
from embedstack.contract.wire import plain


class OpsDoor:
    """Probes, metrics and /v1/render."""

    def __init__(self, pipeline: Pipeline, cache: Cache, settings: Settings, telemetry: Telemetry) -> None:
        self.pipeline = pipeline
        self._cache = cache
        self.limits = settings.limits
        self._admins = Admins(settings.security)
        self._telemetry = telemetry

    def routes(self) -> list[Route]:
        return [
            Route("/healthz", self.alive, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/v1/render", self.render, methods=["POST"]),
            Route("/v1/cache", self.cache_stats, methods=["GET"]),
            Route("/v1/cache", self.cache_clear, methods=["DELETE"]),
        ]

    async def alive(self, _: Request) -> Response:
        return json_answer({"status": "ok", "version": __version__})

    async def ready(self, _: Request) -> Response:
        answer = json_answer(plain(self._readiness()))
        answer.status_code = 200 if self.pipeline.fleet.is_ready else 503
        return answer

    async def metrics(self, _: Request) -> Response:
        self.pipeline.observe()
        stats = await self._cache.stats()
        self._telemetry.observe_cache("memory", stats.memory_entries, stats.memory_bytes)
        if stats.disk:
            self._telemetry.observe_cache("disk", stats.disk.entries, stats.disk.bytes)
        return Response(generate_latest(self._telemetry.registry), media_type=CONTENT_TYPE_LATEST)

    async def cache_stats(self, request: Request) -> Response:
        self._admins.check(request)
        return json_answer(plain(await self._cache.stats()))

    async def cache_clear(self, request: Request) -> Response:
        """The vectors go, and what was kept to know the model again."""
        self._admins.check(request)
        await self._cache.clear()
        self.pipeline.forget_model()
        return json_answer({"cleared": True})

    async def render(self, request: Request) -> Response:
        """The request's texts as they would reach the engine, and why; nothing is embedded, no tokenizer is loaded."""
        body = understood(await read_sent(request, self.limits, "input"), self.pipeline.model)
        wanted = EmbedRequest(
            model=fields.model_of(body),
            texts=fields.texts_of(body.get("input"), self.limits),
            hints=fields.hints_of(body, request.headers),
            dimensions=fields.dimensions_of(body, self.pipeline.model),
        )
        plan = self.pipeline.plan(wanted)
        corrected = set(plan.corrected)
        length = self.pipeline.fleet.length() if self.pipeline.fleet.main.ready else None
        return json_answer(
            {
                "model": wanted.model,
                "role": plan.prompt.role,
                "task": plan.prompt.task,
                "instruction": plan.prompt.instruction,
                "source": plan.prompt.source,
                "dimensions": plan.dimensions,
                "limit_tokens": length.limit if length else None,
                "texts": [
                    {
                        "text": text,
                        "bytes": len(text.encode()),
                        "surely_fits": length.surely_fits(text) if length else None,
                        "corrected": index in corrected,
                    }
                    for index, text in enumerate(plan.texts)
                ],
            }
        )

    def _readiness(self) -> Readiness:
        fleet = self.pipeline.fleet
        return Readiness(
            ready=fleet.is_ready,
            model=self.pipeline.model.id,
            precision=fleet.precision,
            fingerprint=fleet.known.id if fleet.known else None,
            note=self.pipeline.model.note,
            backends=tuple(_backend(engine) for engine in fleet.engines),
        )


def _backend(engine: Engine) -> EngineReadiness:
    state, ready = engine.state, engine.ready
    return EngineReadiness(
        name=engine.name,
        ready=engine.serves,
        state=state.phase,
        reason=state.reason or None,
        next=state.advice or None,
        checks=tuple(EngineCheck(f.check, f.ok, f.detail) for f in state.findings),
        engine=ready.facts.kind if ready else None,
        version=ready.facts.version if ready else None,
        engine_model=ready.facts.model if ready else None,
        concurrency=ready.use.concurrency if ready else None,
        in_flight=engine.in_flight if ready else None,
    )


class IndexDoor:
    """/v1/index."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self.pipeline = pipeline
        self.limits = settings.limits
        self._admins = Admins(settings.security)

    def routes(self) -> list[Route]:
        return [
            Route("/v1/index", self.facts, methods=["GET"]),
            Route("/v1/index", self.expect, methods=["PUT"]),
        ]

    async def facts(self, request: Request) -> Response:
        """What documents embedded under ?model=NAME would be an index of, and what is expected."""
        name = request.query_params.get("model") or self.pipeline.names.listed[0]
        return json_answer({**plain(self.pipeline.index(name)), **self._expected()})

    async def expect(self, request: Request) -> Response:
        self._admins.check(request)
        body = await read_object(request, self.limits)
        fingerprint, expectation = body.get("fingerprint"), self.pipeline.expectation
        if "fingerprint" not in body or not (fingerprint is None or _is_fingerprint(fingerprint)):
            raise BadRequest(
                f"`fingerprint` is {shown(fingerprint)}, but must be 16 hexadecimal digits, or null for none.",
                "GET /v1/index has the present one.",
                code="invalid_index",
            )
        if expectation.configured:
            raise IndexMismatch(
                "The expected index is set in the configuration.", "Change index.fingerprint.", code="index_configured"
            )
        kept = expectation.expect(fingerprint, fields.model_of(body), self.pipeline.fleet.known)
        return json_answer({**self._expected(), "kept": kept})

    def _expected(self) -> dict[str, Any]:
        expected = self.pipeline.expectation.expected
        return {"expected": expected.fingerprint if expected else None}


def _is_fingerprint(value: object) -> bool:
    return isinstance(value, str) and FINGERPRINT.fullmatch(value) is not None


_MOST = 100_000


class TraceDoor:
    """GET /v1/trace?after=SEQ&limit=N, for an administrator."""

    def __init__(self, trace: Trace, security: Security) -> None:
        self._trace = trace
        self._admins = Admins(security)

    def routes(self) -> list[Route]:
        return [Route("/v1/trace", self.records, methods=["GET"])]

    async def records(self, request: Request) -> Response:
        self._admins.check(request)
        after, limit = _number(request, "after", 0), _number(request, "limit", _MOST)
        records = self._trace.after(after, limit)
        return json_answer(
            {"records": [plain(one) for one in records], "next": records[-1].seq if records else self._trace.last}
        )


def _number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise BadRequest(
            f"`{name}` is {shown(value)}, but must be a whole number.", "Correct it.", code="invalid_range"
        )
    return int(value)
