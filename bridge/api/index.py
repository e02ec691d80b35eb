"""The bridge's word on indexes: what one is made with, and which one clients are expected to ask for."""

from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from embedstack.bridge.api import fields
from embedstack.bridge.api.answers import json_answer
from embedstack.bridge.api.body import read_object
from embedstack.bridge.api.keys import Admins
from embedstack.bridge.errors import BadRequest, IndexMismatch, shown
from embedstack.bridge.index.expectation import FINGERPRINT
from embedstack.bridge.pipeline import Pipeline
from embedstack.bridge.settings.structs import Settings


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
        return json_answer({**asdict(self.pipeline.index(name)), **self._expected()})

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
        kept = expectation.expect(fingerprint, fields.model_of(body), self.pipeline.pool.gate.fingerprint)
        return json_answer({**self._expected(), "kept": kept})

    def _expected(self) -> dict[str, Any]:
        expected = self.pipeline.expectation.expected
        return {"expected": expected.fingerprint if expected else None}


def _is_fingerprint(value: object) -> bool:
    return isinstance(value, str) and FINGERPRINT.fullmatch(value) is not None
