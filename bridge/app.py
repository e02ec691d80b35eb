"""The application: settings and a backend in, ASGI out."""

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

from bridge.api.answers import error_answer
from bridge.api.guard import Guard
from bridge.api.ollama import OllamaDoor
from bridge.api.openai import OpenAIDoor
from bridge.api.ops import OpsDoor
from bridge.backends.base import Backend
from bridge.engine import Engine, Limits
from bridge.errors import BridgeError, MethodNotAllowed, NotFound
from bridge.pipeline import Defaults, Pipeline
from bridge.prompts import Prompts
from bridge.served import Served
from bridge.settings import Settings
from bridge.telemetry import Telemetry

log = logging.getLogger(__name__)


def build(settings: Settings, what: Served, backend: Backend) -> ASGIApp:
    """A bridge that begins to bring up its engine when the server starts, and gives it back when that stops."""
    telemetry = Telemetry()
    pipeline = _pipeline(settings, what, backend, telemetry)
    doors = (
        OllamaDoor(pipeline, settings.limits),
        OpenAIDoor(pipeline, settings.limits),
        OpsDoor(pipeline, settings.limits, telemetry),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        _spare_the_collector()
        pipeline.engine.open()
        try:
            yield
        finally:
            await pipeline.engine.close()

    routes = [route for door in doors for route in door.routes()]
    handlers = {BridgeError: _refuse, HTTPException: _no_route, Exception: _crash}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)  # type: ignore[arg-type]
    app.router.redirect_slashes = False
    return Guard(_direct(routes, app), settings.security, telemetry, [route.path for route in routes])


def _pipeline(settings: Settings, what: Served, backend: Backend, telemetry: Telemetry) -> Pipeline:
    limits = Limits(
        concurrency=settings.engine.concurrency if settings.engine.kind == "openai" else 1,
        batch=settings.engine.batch,
        attempts=settings.engine.attempts,
        quarantine=settings.engine.quarantine,
        queue_texts=settings.limits.queue_texts,
        queue_bytes=settings.limits.queue_bytes,
        context=settings.engine.context,
    )
    prompts = Prompts(
        what.tasks,
        what.style,
        own=settings.prompts.tasks,
        default=settings.prompts.default,
        neutralise=settings.prompts.special_tokens == "neutralise",
    )
    defaults = Defaults(
        dimensions=settings.model.dimensions,
        on_too_long=settings.requests.on_too_long,
        keep_alive=settings.requests.keep_alive,
    )
    engine = Engine(backend, what.model, what.precision, limits)
    return Pipeline(what.model, settings.model.aliases, prompts, engine, defaults, telemetry)


def _direct(routes: Sequence[Route], app: ASGIApp) -> ASGIApp:
    """A known path goes straight to its endpoint: Starlette's router tries a pattern a route and wraps each call in
    three handlers of exceptions, a tenth of the bridge's time (docs/performance.md). The rest is left to it.
    """
    endpoints = {(route.path, method): route.endpoint for route in routes for method in route.methods or ()}

    async def direct(scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = endpoints.get((scope["path"], scope["method"])) if scope["type"] == "http" else None
        if endpoint is None:
            await app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except BridgeError as error:
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
    return error_answer(path, NotFound(f"There is nothing at {path}.", "docs/api.md lists every path."))


async def _crash(request: Request, error: Exception) -> Response:
    log.error("a request to %s failed unexpectedly", request.url.path, exc_info=error)
    return error_answer(request.url.path, BridgeError("The bridge failed unexpectedly.", "See its log."))
