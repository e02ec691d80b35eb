"""The bridge's own routes: is it alive, is it ready and if not why, metrics, and what a request would become."""

from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge import __version__
from bridge.api import fields
from bridge.api.answers import json_answer
from bridge.api.body import read_object
from bridge.pipeline import Pipeline
from bridge.request import EmbedRequest
from bridge.settings import Limits
from bridge.telemetry import Telemetry


class OpsDoor:
    """Probes, metrics and /v1/render."""

    def __init__(self, pipeline: Pipeline, limits: Limits, telemetry: Telemetry) -> None:
        self.pipeline = pipeline
        self.limits = limits
        self._telemetry = telemetry

    def routes(self) -> list[Route]:
        return [
            Route("/healthz", self.alive, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/v1/render", self.render, methods=["POST"]),
        ]

    async def alive(self, _: Request) -> Response:
        return json_answer({"status": "ok", "version": __version__})

    async def ready(self, _: Request) -> Response:
        answer = json_answer(self._readiness())
        answer.status_code = 200 if self.pipeline.engine.is_ready else 503
        return answer

    async def metrics(self, _: Request) -> Response:
        engine = self.pipeline.engine
        self._telemetry.observe_engine(ready=engine.is_ready, waiting=engine.queue.waiting_texts)
        return Response(generate_latest(self._telemetry.registry), media_type=CONTENT_TYPE_LATEST)

    async def render(self, request: Request) -> Response:
        """The request's texts as they would reach the engine, and why; nothing is embedded, no tokenizer is loaded."""
        body = await read_object(request, self.limits)
        wanted = EmbedRequest(
            model=fields.model_of(body),
            texts=fields.texts_of(body.get("input"), self.limits),
            hints=fields.hints_of(body, request.headers),
            dimensions=fields.dimensions_of(body, self.pipeline.model),
        )
        plan = self.pipeline.plan(wanted)
        length = self.pipeline.engine.ready.length if self.pipeline.engine.is_ready else None
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
                    }
                    for text in plan.texts
                ],
            }
        )

    def _readiness(self) -> dict[str, Any]:
        engine = self.pipeline.engine
        state = engine.state
        backend: dict[str, Any] = {
            "name": engine.backend.name,
            "ready": engine.is_ready,
            "reason": state.reason or None,
            "next": state.advice or None,
            "checks": [{"check": f.check, "ok": f.ok, "detail": f.detail} for f in state.findings],
        }
        if engine.is_ready:
            facts = engine.ready.facts
            backend |= {"engine": facts.kind, "version": facts.version, "engine_model": facts.model}
        return {
            "ready": engine.is_ready,
            "model": self.pipeline.model.id,
            "precision": engine.precision,
            "note": self.pipeline.model.note,
            "backends": [backend],
        }
