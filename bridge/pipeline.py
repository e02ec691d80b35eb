"""The road of every request: resolve the model, render, fit, queue and embed, cut."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bridge.engine import Engine
from bridge.errors import BadRequest, DimensionsOutOfRange, EngineAnswerInvalid, TooLong, shown
from bridge.length import Fitted, LengthGuard
from bridge.mrl import cut
from bridge.names import Alias, Names
from bridge.prompts import Prompt, Prompts
from bridge.request import EmbedRequest, EmbedResult, KeepAlive, OnTooLong, Vectors
from bridge.telemetry import Telemetry
from modelfiles.catalog import Model

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a request gets that does not say. `dimensions` None: native."""

    dimensions: int | None
    on_too_long: OnTooLong
    keep_alive: KeepAlive


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request means, before anything is embedded."""

    prompt: Prompt
    texts: tuple[str, ...]
    dimensions: int


class Pipeline:
    """One model, its prompts and names, and the engine that serves it."""

    def __init__(
        self,
        model: Model,
        aliases: Mapping[str, str],
        prompts: Prompts,
        engine: Engine,
        defaults: Defaults,
        telemetry: Telemetry,
    ) -> None:
        self.model = model
        self.engine = engine
        self._aliases = aliases
        self._prompts = prompts
        self._defaults = defaults
        self._telemetry = telemetry
        self._names: dict[str, Names] = {}

    @property
    def names(self) -> Names:
        """A tag of one precision means the model only while that precision is served."""
        precision = self.engine.precision
        if precision not in self._names:
            self._names = {precision: Names(self.model.names_for(precision), self._aliases, model=self.model.id)}
        return self._names[precision]

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        plan = self.plan(request)
        length = self.engine.ready.length
        truncate = (request.on_too_long or self._defaults.on_too_long) == "truncate"
        fitted = await _fit(length, plan.texts, truncate=truncate)
        _check_prompt_kept(fitted, plan.prompt, length.limit)
        texts = [one.text for one in fitted]
        calls = await self.engine.embed(texts, self._keep_alive(request))
        cuts = [_cut(call.vectors, plan.dimensions) for call in calls]
        vectors = cuts[0] if len(cuts) == 1 else np.concatenate(cuts)
        truncated = tuple(i for i, one in enumerate(fitted) if one.truncated)
        if truncated:
            self._telemetry.observe_truncated(len(truncated))
            log.info("%d of %d texts were cut to %d tokens", len(truncated), len(texts), length.limit)
        return EmbedResult(vectors, sum(call.tokens for call in calls), truncated)

    async def preload(self, request: EmbedRequest) -> None:
        """What a request without input asks for, as in Ollama: load the model, and set how long it stays."""
        self.plan(request)
        _ = self.engine.ready
        await self.engine.backend.preload(self._keep_alive(request))

    def plan(self, request: EmbedRequest) -> Plan:
        """UnknownModel, DimensionsOutOfRange, or BadRequest for roles."""
        alias = self.names.resolve(request.model)
        prompt = self._prompts.resolve(request.hints, alias.task)
        texts = tuple(self._prompts.final_text(text, prompt) for text in request.texts)
        return Plan(prompt, texts, self._dimensions(request, alias))

    def _dimensions(self, request: EmbedRequest, alias: Alias) -> int:
        native, lowest = self.model.dimensions, self.model.min_dimensions
        for asked in (request.dimensions, alias.dimensions):
            if asked is not None and not lowest <= asked <= native:
                raise DimensionsOutOfRange(asked, lowest, native)
        if request.dimensions and alias.dimensions and request.dimensions != alias.dimensions:
            raise BadRequest(
                f"The model name {shown(request.model)} and dimensions={request.dimensions} disagree.",
                "Send one of them.",
                code="contradictory_dimensions",
            )
        return request.dimensions or alias.dimensions or self._defaults.dimensions or native

    def _keep_alive(self, request: EmbedRequest) -> KeepAlive:
        return self._defaults.keep_alive if request.keep_alive is None else request.keep_alive


def _check_prompt_kept(fitted: Sequence[Fitted], prompt: Prompt, limit: int) -> None:
    """A cut that leaves nothing but the instruction would give every text the same vector."""
    if any(one.truncated and len(one.text) <= len(prompt.prefix) for one in fitted):
        raise TooLong(
            f"The instruction alone fills the {limit} tokens that fit; no text would be left after the cut.",
            "Shorten the instruction.",
        )


def _cut(vectors: Vectors, dimensions: int) -> Vectors:
    try:
        return cut(vectors, dimensions)
    except ValueError as error:
        raise EngineAnswerInvalid(
            f"A vector cannot be cut to {dimensions} dimensions: {error}.",
            "Ask for more dimensions, and check that the engine serves the configured model.",
        ) from error


async def _fit(length: LengthGuard, texts: Sequence[str], *, truncate: bool) -> list[Fitted]:
    return [await length.fit(text, index, truncate=truncate) for index, text in enumerate(texts)]
