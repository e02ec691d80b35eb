"""Records each finished request for vectors: counts it, keeps it in the trace, and checks whether it named a role.

If Open WebUI never says which texts are queries, a warning says once how to configure that.
"""

import contextlib
import logging
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from embedstack.bridge.errors import BridgeError
from embedstack.bridge.observe.telemetry import Telemetry
from embedstack.bridge.observe.trace import Trace
from embedstack.bridge.pipeline import Pipeline
from embedstack.bridge.request import EmbedRequest, EmbedResult

log = logging.getLogger(__name__)

# Texts without a role after which a warning is due: one short document, or one person's queries of a day.
ENOUGH = 50

HOW = (
    "Give Open WebUI's process RAG_EMBEDDING_PREFIX_FIELD_NAME=input_type, RAG_EMBEDDING_QUERY_PREFIX=query and "
    "RAG_EMBEDDING_CONTENT_PREFIX=document, and restart it (docs/open-webui.md)."
)
_ORIGINS = {"body": "field", "header": "header", "model": "alias"}


def origin(source: str) -> str:
    """`field`, `header`, `alias` or `default`, from `Prompt.source`."""
    return _ORIGINS.get(source.partition(" ")[0], "default")


class RoleWatch:
    """Counts the texts of Open WebUI until one comes with a role, or until enough have come without one."""

    def __init__(self) -> None:
        self._without = 0
        self._settled = False

    def saw(self, texts: int, origin: str) -> None:
        if self._settled:
            return
        if origin != "default":
            self._settled = True
            return
        self._without += texts
        if self._without >= ENOUGH:
            self._settled = True
            log.warning(
                "Open WebUI has sent %d texts and never said which are questions: those get no instruction, and find "
                "less. %s",
                self._without,
                HOW,
            )


# The key in the ASGI scope under which a door leaves the request that it has parsed.
ASKED = "asked"
DOORS: Mapping[str, str] = MappingProxyType(
    {"/api/embed": "ollama", "/api/embeddings": "ollama", "/v1/embeddings": "openai", "/embeddings": "openai"}
)


class Witness:
    """`trace` None: no requests are kept."""

    def __init__(self, pipeline: Pipeline, telemetry: Telemetry, trace: Trace | None) -> None:
        self._pipeline = pipeline
        self._telemetry = telemetry
        self._trace = trace
        self._roles = RoleWatch()

    def answered(self, door: str, asked: EmbedRequest, result: EmbedResult, encode: float, size: int) -> None:
        """`encode` in seconds; `size` of the answer in bytes."""
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
