"""The door to the trace."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from embedstack.bridge.api.answers import json_answer
from embedstack.bridge.api.keys import Admins
from embedstack.bridge.errors import BadRequest, shown
from embedstack.bridge.observe.trace import Trace
from embedstack.bridge.settings.security import Security

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
        return json_answer({"records": records, "next": records[-1]["seq"] if records else self._trace.last})


def _number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise BadRequest(
            f"`{name}` is {shown(value)}, but must be a whole number.", "Correct it.", code="invalid_range"
        )
    return int(value)
