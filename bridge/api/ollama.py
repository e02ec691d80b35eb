"""Ollama's door: /api/embed, the legacy /api/embeddings, and the routes that clients ask before they embed."""

import time
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from embedstack import __version__
from embedstack.bridge.api import fields
from embedstack.bridge.api.answers import embed_answer, ignored_note, json_answer
from embedstack.bridge.api.body import Object, read_object, read_sent
from embedstack.bridge.api.card import ModelCard
from embedstack.bridge.api.dialects import understood
from embedstack.bridge.api.witness import ASKED, Witness
from embedstack.bridge.engines.chat import ChatUpstream
from embedstack.bridge.errors import BadRequest, UnknownModel, shown
from embedstack.bridge.pipeline import Pipeline
from embedstack.bridge.request import EmbedRequest
from embedstack.bridge.settings.structs import Limits

DOOR = "ollama"


class OllamaDoor:
    """Requests in Ollama's shape, answers in Ollama's shape."""

    def __init__(self, pipeline: Pipeline, limits: Limits, witness: Witness, chat: ChatUpstream | None = None) -> None:
        self.pipeline = pipeline
        self.limits = limits
        self._witness = witness
        self._card = ModelCard(pipeline)
        self._chat = chat

    def routes(self) -> list[Route]:
        return [
            Route("/", self.root, methods=["GET"]),
            Route("/api/embed", self.embed, methods=["POST"]),
            Route("/api/embeddings", self.embeddings, methods=["POST"]),
            Route("/api/tags", self.tags, methods=["GET"]),
            Route("/api/show", self.show, methods=["POST"]),
            Route("/api/ps", self.running, methods=["GET"]),
            Route("/api/version", self.version, methods=["GET"]),
        ]

    async def embed(self, request: Request) -> Response:
        started = time.perf_counter_ns()
        body = understood(await read_sent(request, self.limits, "input"), self.pipeline.model)
        wanted = self._wanted(body, request, "input")
        ignored = fields.ignored_options(body)
        if not wanted.texts:
            await self.pipeline.preload(wanted, request.scope.get("departure"))
            return json_answer({"model": body["model"], "embeddings": []}, ignored_note(ignored))
        result = await self.pipeline.embed(wanted, request.scope.get("departure"))
        answer = {
            "model": body["model"],
            "embeddings": result.vectors,
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": 0,
            "prompt_eval_count": result.tokens,
        }
        return embed_answer(answer, wanted, result, ignored, DOOR, self._witness)

    async def embeddings(self, request: Request) -> Response:
        """One text, one vector. As in Ollama, an empty prompt gets an empty vector, and no text is truncated."""
        body = understood(await read_sent(request, self.limits, "prompt"), self.pipeline.model, "prompt")
        if not body.get("model"):
            raise self._no_model()
        if not isinstance(prompt := body.get("prompt"), str | None):
            raise BadRequest(
                f"`prompt` is {shown(prompt)}, but must be a string.",
                "For several texts use /api/embed.",
                code="invalid_input",
            )
        wanted = self._wanted(body, request, "prompt")
        ignored = fields.ignored_options(body)
        if not wanted.texts:
            await self.pipeline.preload(wanted, request.scope.get("departure"))
            return json_answer({"embedding": []}, ignored_note(ignored))
        result = await self.pipeline.embed(replace(wanted, on_too_long="error"), request.scope.get("departure"))
        answer = {"embedding": result.vectors[0]}
        return embed_answer(answer, wanted, result, ignored, DOOR, self._witness)

    async def tags(self, request: Request) -> Response:
        """Includes the names that LangChain looks for, except for Open WebUI, whose menus would show all of them."""
        names = self.pipeline.names
        others = await self._chat.models(names) if self._chat else []
        ours = self._card.listed(names.listed if fields.is_webui(request.headers) else names.offered)
        return json_answer({"models": [*ours, *others]})

    async def running(self, _: Request) -> Response:
        return json_answer({"models": await self._card.running()})

    async def show(self, request: Request) -> Response:
        body = await read_object(request, self.limits)
        name = body.get("model") or body.get("name")
        if not isinstance(name, str) or not name:
            raise self._no_model()
        try:
            return json_answer(self._card.shown(name))
        except UnknownModel:
            if not self._chat or (shown_there := await self._chat.shown(name)) is None:
                raise
            return json_answer(shown_there)

    async def version(self, _: Request) -> Response:
        return json_answer({"version": self._card.version(), "bridge": __version__})

    async def root(self, _: Request) -> Response:
        return PlainTextResponse("Ollama is running")

    def _no_model(self) -> BadRequest:
        served = ", ".join(self.pipeline.names.listed)
        return BadRequest("model is required.", f"Name one. Served: {served}.", code="missing_model")

    def _wanted(self, body: Object, request: Request, key: str) -> EmbedRequest:
        name = fields.model_of(body)
        if not name:
            raise UnknownModel("model '' not found.", f"Served: {', '.join(self.pipeline.names.listed)}.")
        wanted = request.scope[ASKED] = EmbedRequest(
            model=name,
            texts=fields.texts_of(body.get(key), self.limits),
            hints=fields.hints_of(body, request.headers),
            dimensions=fields.dimensions_of(body, self.pipeline.model),
            on_too_long=fields.on_too_long_of(body),
            keep_alive=fields.keep_alive_of(body),
            caller=fields.caller_of(request),
            index=fields.index_of(request.headers),
        )
        return wanted
