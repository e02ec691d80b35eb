"""The road of every request: resolve the model, render, fit, find or embed, cut."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embedstack.bridge.cache.parts import Parts
from embedstack.bridge.engines.pool import Pool
from embedstack.bridge.errors import BadRequest, DimensionsOutOfRange, EngineAnswerInvalid, TooLong, shown
from embedstack.bridge.index.expectation import Expectation
from embedstack.bridge.observe.telemetry import Telemetry
from embedstack.bridge.request import (
    Departure,
    EmbedRequest,
    EmbedResult,
    KeepAlive,
    Meaning,
    OnTooLong,
    Row,
    unless_gone,
)
from embedstack.bridge.supply import Supply, WantedRows
from embedstack.bridge.text.length import LengthGuard
from embedstack.bridge.text.names import Alias, Names
from embedstack.bridge.text.prompts import QUERY, Prompt, Prompts
from embedstack.contract.answers import IndexFacts
from embedstack.models.catalog import Model
from embedstack.vectors.mrl import Vectors, cut

log = logging.getLogger(__name__)

# Texts after which others have their turn: a stage takes a millisecond for about so many.
MANY = 1_000


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a request gets that does not say. `dimensions` None: native."""

    dimensions: int | None
    on_too_long: OnTooLong
    keep_alive: KeepAlive


@dataclass(frozen=True, slots=True)
class Reading:
    """How requests are read: the model, other names for it, its prompts, and the defaults."""

    model: Model
    aliases: Mapping[str, str]
    prompts: Prompts
    defaults: Defaults


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """What a request means, before anything is embedded. `corrected`: places of texts whose own prompt is put right."""

    prompt: Prompt
    texts: tuple[str, ...]
    dimensions: int
    corrected: tuple[int, ...] = ()

    @property
    def meaning(self) -> Meaning:
        return _meaning(self.prompt, self.dimensions)


class Pipeline:
    """One model, its prompts and names, and the engines that serve it. Doors see those through `fleet`, read only."""

    def __init__(
        self,
        reading: Reading,
        parts: Parts,
        pool: Pool,
        supply: Supply,
        expectation: Expectation,
        telemetry: Telemetry,
    ) -> None:
        self.model = reading.model
        self.expectation = expectation
        self.fleet = pool.fleet
        self._aliases = reading.aliases
        self._prompts = reading.prompts
        self._defaults = reading.defaults
        self._parts = parts
        self._pool = pool
        self._supply = supply
        self._telemetry = telemetry
        self._names: dict[str, Names] = {}

    @property
    def names(self) -> Names:
        """A tag of one precision means the model only while that precision is served."""
        precision = self.fleet.precision
        if precision not in self._names:
            names = self.model.names_for(precision)
            self._names = {
                precision: Names(names, self._aliases, model=self.model.id, native=self.model.dimensions),
            }
        return self._names[precision]

    async def embed(self, request: EmbedRequest, departure: Departure | None = None) -> EmbedResult:
        """`departure` tells when the client has gone: then what nobody else waits for is not computed."""
        await _others_first(request)
        plan = self.plan(request)
        await _others_first(request)
        length, fingerprint = self.fleet.length(), self.fleet.fingerprint
        self.expectation.check(request, plan.dimensions, fingerprint)
        texts, truncated = await _fit(length, plan, request.on_too_long or self._defaults.on_too_long)
        lane = request.caller.lane or ("interactive" if plan.prompt.role == QUERY else "bulk")
        keys = [fingerprint.key(text) for text in texts]
        await _others_first(request)
        own = self._parts.keys(request.caller.key, keys)
        prompts = [plan.prompt.length_in(text) for text in texts]
        wanted = WantedRows(texts, keys, lane, request.caller, self._keep_alive(request), own, prompts)
        supplied = await self._supply.rows(wanted, departure)
        if truncated:
            self._telemetry.observe_truncated(len(truncated))
            log.info("%d of %d texts were cut to %d tokens", len(truncated), len(texts), length.limit)
        return EmbedResult(
            vectors=await self._vectors(supplied.rows, plan.dimensions),
            tokens=sum(row.tokens for row in supplied.rows),
            lane=lane,
            fingerprint=fingerprint.id,
            found=supplied.found,
            stages=supplied.stages,
            meaning=plan.meaning,
            truncated=truncated,
            corrected=plan.corrected,
        )

    async def _vectors(self, rows: Sequence[Row], dimensions: int) -> Sequence[Vectors]:
        if dimensions == self.model.dimensions:
            return [row.vector for row in rows]  # of length 1 already
        vectors: list[Vectors] = []
        for start in range(0, len(rows), MANY):
            if start:
                await asyncio.sleep(0)
            part = rows[start : start + MANY]
            vectors.extend(_cut(np.stack([row.vector[:dimensions] for row in part]), dimensions))
        return vectors

    async def preload(self, request: EmbedRequest, departure: Departure | None = None) -> None:
        """What a request without input asks for, as in Ollama: load the model, and set how long it stays."""
        self.plan(request)
        self.fleet.length()
        self._pool.admit()
        await unless_gone(self._preloaded(self._keep_alive(request)), departure)

    async def _preloaded(self, keep_alive: KeepAlive) -> None:
        await asyncio.gather(*(e.backend.preload(keep_alive) for e in self.fleet.engines if e.serves))

    def plan(self, request: EmbedRequest) -> RequestPlan:
        """UnknownModel, DimensionsOutOfRange, or BadRequest for roles."""
        alias = self.names.resolve(request.model)
        prompt = self._prompts.resolve(request.hints, alias.task)
        rendered = self._prompts.rendered(request.texts, prompt)
        return RequestPlan(prompt, rendered.texts, self._dimensions(request, alias), rendered.corrected)

    def meaning(self, request: EmbedRequest) -> Meaning:
        """What `plan` makes of a request, but for its texts. Raises as that does."""
        alias = self.names.resolve(request.model)
        return _meaning(self._prompts.resolve(request.hints, alias.task), self._dimensions(request, alias))

    def index(self, name: str) -> IndexFacts:
        """What documents that are embedded under a model's name are an index of. UnknownModel, DimensionsOutOfRange,
        EngineNotReady.
        """
        size = self._dimensions(EmbedRequest(name, ()), self.names.resolve(name))
        return self.expectation.facts(self.fleet.fingerprint, size)

    def observe(self) -> None:
        """Bring the gauges of the queue and of the gate up to date."""
        self._pool.observe()

    def forget_model(self) -> None:
        """Take the next engine that passes the gate for the model, whatever an earlier one answered."""
        self._pool.forget_model()

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


async def _others_first(request: EmbedRequest) -> None:
    """Between two stages of a request of many texts; each takes some ten milliseconds for 50,000."""
    if len(request.texts) > MANY:
        await asyncio.sleep(0)


def _meaning(prompt: Prompt, dimensions: int) -> Meaning:
    return Meaning(prompt.role, prompt.task, prompt.source, dimensions)


def _check_prompt_kept(text: str, prompt: Prompt, limit: int) -> None:
    """A cut that leaves nothing but the instruction would give every text the same vector."""
    if len(text) <= len(prompt.prefix):
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


async def _fit(length: LengthGuard, plan: RequestPlan, on_too_long: OnTooLong) -> tuple[Sequence[str], tuple[int, ...]]:
    """The texts, each of which fits, and the places of those that had to be cut for it."""
    if all(map(length.surely_fits, plan.texts)):
        return plan.texts, ()
    fitted = [
        await length.fit(text, index, on_too_long, keep=plan.prompt.length_in(text))
        for index, text in enumerate(plan.texts)
    ]
    truncated = tuple(index for index, one in enumerate(fitted) if one.truncated)
    for index in truncated:
        _check_prompt_kept(fitted[index].text, plan.prompt, length.limit)
    return [one.text for one in fitted], truncated
