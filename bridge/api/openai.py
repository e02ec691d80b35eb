"""OpenAI's door: /v1/embeddings (and /embeddings, for a base URL without /v1) and /v1/models."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from embedstack.bridge.api import fields
from embedstack.bridge.api.answers import embed_answer, is_long, json_answer
from embedstack.bridge.api.body import Object, read_sent
from embedstack.bridge.api.card import ModelCard
from embedstack.bridge.api.dialects import understood
from embedstack.bridge.api.witness import ASKED, Witness
from embedstack.bridge.engines.chat import ChatUpstream
from embedstack.bridge.errors import BadRequest, UnknownModel, shown
from embedstack.bridge.pipeline import Pipeline
from embedstack.bridge.request import EmbedRequest, EmbedResult
from embedstack.bridge.settings.structs import Limits
from embedstack.vectors.mrl import to_base64

DOOR = "openai"


class OpenAIDoor:
    """Requests in OpenAI's shape, answers in OpenAI's shape."""

    def __init__(self, pipeline: Pipeline, limits: Limits, witness: Witness, chat: ChatUpstream | None = None) -> None:
        self.pipeline = pipeline
        self.limits = limits
        self._witness = witness
        self._card = ModelCard(pipeline)
        self._chat = chat

    def routes(self) -> list[Route]:
        return [
            Route("/v1/embeddings", self.embeddings, methods=["POST"]),
            Route("/embeddings", self.embeddings, methods=["POST"]),
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/models/{model:path}", self.model, methods=["GET"]),
        ]

    async def embeddings(self, request: Request) -> Response:
        body = understood(await read_sent(request, self.limits, "input"), self.pipeline.model, "encoding_format")
        encoding = _encoding_of(body)
        wanted = self._wanted(body, request)
        ignored = fields.ignored_options(body)
        result = await self.pipeline.embed(wanted, request.scope.get("departure"))
        return embed_answer(_answer(wanted.model, result, encoding), wanted, result, ignored, DOOR, self._witness)

    async def models(self, _: Request) -> Response:
        ours = [self._card.openai(name) for name in self.pipeline.names.listed]
        return json_answer({"object": "list", "data": [*ours, *(await self._others())]})

    async def model(self, request: Request) -> Response:
        """One entry, by any name that an embedding request may use; the name may contain slashes."""
        name = request.path_params["model"]
        try:
            return json_answer(self._card.openai(name))
        except UnknownModel:
            entry = next((entry for entry in await self._others() if entry["id"] == name), None)
            if entry is None:
                raise
            return json_answer(entry)

    async def _others(self) -> list[dict[str, Any]]:
        """The chat models, if chat requests are forwarded."""
        found = await self._chat.models(self.pipeline.names) if self._chat else []
        return [{"id": str(one["name"]), "object": "model", "created": 0, "owned_by": "library"} for one in found]

    def _wanted(self, body: Object, request: Request) -> EmbedRequest:
        name = fields.model_of(body)
        if not name:
            raise UnknownModel("model '' not found.", f"Served: {', '.join(self.pipeline.names.listed)}.")
        wanted = request.scope[ASKED] = EmbedRequest(
            model=name,
            texts=self._texts(body),
            hints=fields.hints_of(body, request.headers),
            dimensions=fields.dimensions_of(body, self.pipeline.model),
            on_too_long=fields.on_too_long_of(body),
            keep_alive=fields.keep_alive_of(body),
            caller=fields.caller_of(request),
            index=fields.index_of(request.headers),
        )
        return wanted

    def _texts(self, body: Object) -> tuple[str, ...]:
        """As in Ollama's /v1, "" is one empty text, and a request without texts is an error."""
        value = body.get("input")
        texts = fields.texts_of([value] if value == "" else value, self.limits)
        if not texts:
            raise BadRequest("invalid input: nothing to embed.", "Send a string or a list of strings.", code="no_input")
        return texts


def _encoding_of(body: Object) -> str:
    value = body.get("encoding_format")
    if value in (None, ""):
        return "float"
    if isinstance(value, str) and value.lower() in ("float", "base64"):
        return value.lower()
    raise BadRequest(
        f"`encoding_format` is {shown(value)}, but must be 'float' or 'base64'.",
        "Leave it out for float.",
        code="invalid_encoding_format",
    )


def _answer(model: str, result: EmbedResult, encoding: str) -> dict[str, Any]:
    rows = map(to_base64, result.vectors) if encoding == "base64" else result.vectors
    entries = ({"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows))
    return {
        "object": "list",
        # A short list is made beforehand: if orjson's buffer must grow past the entries, 32 texts take twice the time.
        "data": entries if is_long(result) else list(entries),
        "model": model,
        "usage": {"prompt_tokens": result.tokens, "total_tokens": result.tokens},
    }
