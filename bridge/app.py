"""The application: settings and engines in, ASGI out."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from embedstack.bridge.api.answers import error_answer
from embedstack.bridge.api.asgi import HeadersRequest
from embedstack.bridge.api.astray import nothing_at
from embedstack.bridge.api.chat import PassthroughDoor
from embedstack.bridge.api.guard import Guard, accepted
from embedstack.bridge.api.intake import INTAKE, Intake
from embedstack.bridge.api.ollama import OllamaDoor
from embedstack.bridge.api.openai import OpenAIDoor
from embedstack.bridge.api.ops import IndexDoor, OpsDoor, TraceDoor
from embedstack.bridge.api.witness import Witness
from embedstack.bridge.cache.cache import Cache, open_cache
from embedstack.bridge.cache.parts import open_parts
from embedstack.bridge.engines.chat import ChatUpstream
from embedstack.bridge.engines.engine import Member
from embedstack.bridge.engines.pool import Pool
from embedstack.bridge.engines.quarantine import Quarantine
from embedstack.bridge.errors import BridgeError, MethodNotAllowed
from embedstack.bridge.index.expectation import Expectation
from embedstack.bridge.observe.telemetry import Telemetry
from embedstack.bridge.observe.trace import Trace
from embedstack.bridge.parity.gate import Gate
from embedstack.bridge.parity.golden import GoldenStore
from embedstack.bridge.pipeline import Defaults, Pipeline, Reading
from embedstack.bridge.settings.served import Served
from embedstack.bridge.settings.structs import Settings
from embedstack.bridge.supply import Supply
from embedstack.bridge.text.prompts import Prompts
from embedstack.bridge.traffic.pace import Patience
from embedstack.bridge.traffic.scheduler import Scheduler

log = logging.getLogger(__name__)


class Bridge:
    """The running parts: an ASGI application, and the engines behind it, which can change while it runs."""

    def __init__(self, settings: Settings, what: Served, members: Sequence[Member]) -> None:
        self._members = members
        self.started = asyncio.Event()  # its engines are there, though none need be ready
        self._telemetry = Telemetry()
        self._cache = open_cache(settings.cache, what.model.dimensions)
        self._pool, self._pipeline = _road(settings, what, self._cache, self._telemetry)
        self._chat = _chat(settings)
        self.app = self._application(settings)

    def reconfigure(self, members: Sequence[Member]) -> None:
        """Engines that are new are brought up, those that are gone finish what they have, the others stay untouched."""
        asked = {member.backend.name: member for member in members}
        for engine in [engine for engine in self._pool.fleet.engines if engine.name not in asked]:
            log.info("%s is taken out", engine.name)
            self._pool.remove(engine)
        here = {engine.name for engine in self._pool.fleet.engines}
        for name, member in asked.items():
            if name not in here:
                log.info("%s is added", name)
                self._pool.add(member).open()

    def _application(self, settings: Settings) -> ASGIApp:
        trace = Trace(settings.trace.records, text=settings.trace.text)
        witness = Witness(self._pipeline, self._telemetry, trace if settings.trace.records else None)
        routes = [
            *OllamaDoor(self._pipeline, settings.limits, witness, self._chat).routes(),
            *OpenAIDoor(self._pipeline, settings.limits, witness, self._chat).routes(),
            *OpsDoor(self._pipeline, self._cache, settings, self._telemetry).routes(),
            *IndexDoor(self._pipeline, settings).routes(),
            *TraceDoor(trace, settings.security).routes(),
            *(PassthroughDoor(self._chat, settings.limits).routes() if self._chat else ()),
        ]
        handlers = {BridgeError: _refuse, HTTPException: _no_route, Exception: _crash}
        app = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)  # type: ignore[arg-type]
        app.router.redirect_slashes = False
        intake = Intake(settings.limits.bodies_bytes, settings.limits.body_timeout)
        direct = _direct(routes, app, witness, intake)
        return Guard(direct, settings.security, self._telemetry, [route.path for route in routes])

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        _spare_the_collector()
        for member in self._members:
            self._pool.add(member).open()
        self.started.set()
        try:
            yield
        finally:
            await self._pool.close()
            await self._cache.close()
            if self._chat:
                await self._chat.close()


def _chat(settings: Settings) -> ChatUpstream | None:
    chat = settings.passthrough
    return ChatUpstream(chat, settings.engine.connect_timeout) if chat.ollama else None


def _road(settings: Settings, what: Served, cache: Cache, telemetry: Telemetry) -> tuple[Pool, Pipeline]:
    quarantine = Quarantine(settings.engine.quarantine)
    gate = Gate(
        what.model,
        what.precision,
        GoldenStore(cache.folder),
        style=settings.prompts.style,
        special_tokens=settings.prompts.special_tokens,
    )
    scheduler = Scheduler(
        texts=settings.limits.queue_texts, size=settings.limits.queue_bytes, bulk_share=settings.traffic.bulk_share
    )
    pool = Pool(
        gate,
        scheduler,
        quarantine,
        telemetry,
        patience=Patience(settings.engine.patience),
        forget=cache.forget,
    )
    supply = Supply(cache, quarantine, pool)
    prompts = Prompts(
        what.tasks,
        what.style,
        own=settings.prompts.tasks,
        default=settings.prompts.default,
        neutralise=settings.prompts.special_tokens == "neutralise",
        correct=settings.prompts.correct,
    )
    defaults = Defaults(
        dimensions=settings.model.dimensions,
        on_too_long=settings.requests.on_too_long,
        keep_alive=settings.requests.keep_alive,
    )
    expectation = Expectation(
        cache.folder,
        settings.index.fingerprint,
        sizes=range(what.model.min_dimensions, what.model.dimensions + 1),
        document_prefix=prompts.document_prefix,
    )
    keys = accepted(settings.security) if settings.cache.scope == "key" else ()
    parts = open_parts(keys, cache.folder)
    reading = Reading(what.model, settings.model.aliases, prompts, defaults)
    return pool, Pipeline(reading, parts, pool, supply, expectation, telemetry)


def _direct(routes: Sequence[Route], app: ASGIApp, witness: Witness, intake: Intake) -> ASGIApp:
    """A known path goes straight to its endpoint: Starlette's router tries a pattern a route and wraps each call in
    three handlers of exceptions, a tenth of the bridge's time (docs/performance.md). The rest is left to it.
    """
    endpoints = {(route.path, method): route.endpoint for route in routes for method in route.methods or ()}

    async def direct(scope: Scope, receive: Receive, send: Send) -> None:
        scope[INTAKE] = intake
        endpoint = endpoints.get((scope["path"], scope["method"])) if scope["type"] == "http" else None
        if endpoint is None:
            await app(scope, receive, send)
            return
        request = HeadersRequest(scope, receive)
        try:
            response = await endpoint(request)
        except BridgeError as error:
            witness.refused(scope, error)
            response = await _refuse(request, error)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the client gets an answer
            response = await _crash(request, error)
        await response(scope, receive, send)

    return direct


def _spare_the_collector() -> None:
    """What exists at the start stays for good: it need not be looked through again and again. A request's own objects
    make few cycles, so one look a few requests is enough; a twentieth of the bridge's time (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def _refuse(request: Request, error: BridgeError) -> Response:
    return error_answer(request.url.path, error)


async def _no_route(request: Request, error: HTTPException) -> Response:
    path = request.url.path
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        answer = error_answer(path, MethodNotAllowed(f"{request.method} is not allowed for {path}.", f"Use {allowed}."))
        answer.headers["Allow"] = allowed
        return answer
    return error_answer(path, nothing_at(path, str(request.base_url).rstrip("/")))


async def _crash(request: Request, error: Exception) -> Response:
    log.error("a request to %s failed unexpectedly", request.url.path, exc_info=error)
    return error_answer(request.url.path, BridgeError("The bridge failed unexpectedly.", "See its log."))
