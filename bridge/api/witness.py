"""Sees each request for vectors come to its end: counts it, keeps it in the trace, and looks for its role."""

import contextlib
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from embedstack.bridge.errors import BridgeError
from embedstack.bridge.observe.telemetry import Telemetry
from embedstack.bridge.observe.trace import Trace
from embedstack.bridge.pipeline import Pipeline
from embedstack.bridge.request import EmbedRequest, EmbedResult
from embedstack.bridge.roles import RoleWatch, origin

# Where a door leaves, in the ASGI scope, what it has understood of a request.
ASKED = "asked"
DOORS: Mapping[str, str] = MappingProxyType(
    {"/api/embed": "ollama", "/api/embeddings": "ollama", "/v1/embeddings": "openai", "/embeddings": "openai"}
)


class Witness:
    """`trace` None: nothing is kept."""

    def __init__(self, pipeline: Pipeline, telemetry: Telemetry, trace: Trace | None) -> None:
        self._pipeline = pipeline
        self._telemetry = telemetry
        self._trace = trace
        self._roles = RoleWatch()

    def answered(self, door: str, asked: EmbedRequest, result: EmbedResult, encode: float, size: int) -> None:
        """`encode` seconds, `size` bytes of the answer."""
        said, texts = origin(result.meaning.source), len(asked.texts)
        self._telemetry.observe_answer(door, result, encode)
        self._telemetry.observe_role(said, texts, webui=asked.caller.webui)
        if asked.caller.webui:
            self._roles.saw(texts, said)
        if self._trace is not None:
            self._trace.answered(time.time(), door, asked, result, encode, size)

    def refused(self, scope: Mapping[str, Any], error: BridgeError) -> None:
        door = DOORS.get(scope["path"])
        if door is None or self._trace is None:
            return
        asked: EmbedRequest | None = scope.get(ASKED)
        meaning = None
        if asked is not None:
            with contextlib.suppress(BridgeError):
                meaning = self._pipeline.meaning(asked)
        self._trace.refused(time.time(), door, asked, meaning, int(error.status), error.code)
