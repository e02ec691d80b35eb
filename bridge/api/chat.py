"""The chat door: which requests are forwarded to Ollama, and what is kept from it."""

import asyncio
import logging

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from embedstack.bridge.api.astray import CHAT
from embedstack.bridge.api.body import chunks, refuse_encoded
from embedstack.bridge.engines.chat import ChatUpstream, Exchange
from embedstack.bridge.errors import BodyTimeout, BridgeError, ClientGone
from embedstack.bridge.request import Departure
from embedstack.bridge.settings.structs import Limits

log = logging.getLogger(__name__)


class PassthroughDoor:
    """Forwards requests and answers unchanged, in the shapes of Ollama and OpenAI. Keys are not forwarded."""

    def __init__(self, upstream: ChatUpstream, limits: Limits) -> None:
        self._upstream = upstream
        self._limits = limits

    def routes(self) -> list[Route]:
        return [Route(path, self.chat, methods=["POST"]) for path in CHAT]

    async def chat(self, request: Request) -> Response:
        refuse_encoded(request)
        departure: Departure | None = request.scope.get("departure")
        try:
            async with asyncio.timeout(self._limits.body_timeout):
                exchange = await self._sent(request, departure)
        except TimeoutError as error:
            raise BodyTimeout(
                f"The body did not arrive within {self._limits.body_timeout:g} s.", "Send it in one go."
            ) from error
        return await _answered(exchange, departure)

    async def _sent(self, request: Request, departure: Departure | None) -> Exchange:
        announced = request.headers.get("content-length", "")
        body = chunks(request, self._limits.body_bytes, request.receive)
        first = await anext(body)  # a body that announces too large a size never reaches Ollama
        exchange = await self._upstream.open(request.url.path, int(announced) if announced.isdigit() else None)
        if departure is not None:
            departure.on_gone = exchange.close
        try:
            await exchange.send(first)
            async for chunk in body:
                await exchange.send(chunk)
        except BaseException:
            exchange.close()
            raise
        return exchange


async def _answered(exchange: Exchange, departure: Departure | None) -> Response:
    try:
        if departure is not None and departure.gone:
            raise ClientGone("The client went away.")
        await exchange.answered()
    except BaseException as error:
        exchange.close()
        if departure is not None and departure.gone and isinstance(error, BridgeError):
            raise ClientGone("The client went away.") from error
        raise
    return _Relay(exchange, departure)


class _Relay(Response):
    """An answer that is forwarded piece by piece. If Ollama's answer breaks off, so does this one, so that no client
    mistakes it for a complete one.
    """

    def __init__(self, exchange: Exchange, departure: Departure | None) -> None:
        self.status_code, self.background, self.body = exchange.status, None, b""
        self.raw_headers = list(exchange.headers)
        self._exchange = exchange
        self._departure = departure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI's own
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for piece in self._exchange.body():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except BridgeError as error:
            if self._departure is None or not self._departure.gone:
                log.warning("%s %s", scope["path"], error)
        finally:
            self._exchange.close()
