"""Whether the role of a text arrives at the bridge: a document and a question go through Open WebUI."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from embedstack.deploy.bridge_api import BridgeApi
from embedstack.deploy.errors import PartNotReady
from embedstack.deploy.trace_record import TraceRecord
from embedstack.deploy.webui import library
from embedstack.deploy.webui.client import Webui

NAME = "embedstack-proof.txt"
Kind = Literal["document", "query"]


@dataclass(frozen=True)
class Arrival:
    """What came of one text.

    Attributes:
        role: as the bridge took it; "" where it never saw the text.
        source: where the bridge had the role from, as `body input_type`.
        reason: why this is not as it should be, "" where it is.
    """

    kind: Kind
    role: str
    source: str
    reason: str = ""


@dataclass(frozen=True)
class Proof:
    """`sent` where Open WebUI said of each text what it is."""

    document: Arrival
    query: Arrival

    @property
    def sent(self) -> bool:
        return not self.document.reason and not self.query.reason


def prove(webui: Webui, bridge: BridgeApi) -> Proof:
    """Upload a small file, ask for it, take it away again. PartNotReady where either does not answer."""
    # Texts that no cache knows, and each of a length that nobody else sends just now.
    mark = secrets.token_hex(secrets.randbelow(64) + 32)
    texts: dict[Kind, str] = {"document": f"Whether a document arrives: {mark}", "query": f"And a question? {mark}"}
    before = max((record.seq for record in bridge.trace(0)), default=0)
    failed = _ask(webui, texts)
    came = bridge.trace(before)
    document, query = (arrival(kind, text, came, failed) for kind, text in texts.items())
    return Proof(document, query)


def arrival(kind: Kind, text: str, came: Sequence[TraceRecord], failed: str = "") -> Arrival:
    """What the bridge's requests say of this text. `failed`: why Open WebUI could not send it. Pure."""
    size = len(text.encode())
    found = next((record for record in came if record.bytes == size and record.texts == 1), None)
    if found is None:
        return Arrival(kind, "", "", failed or _missing(came, size))
    if found.source in ("default", ""):
        return Arrival(kind, found.role, found.source, "it came without a role")
    if found.role != kind:
        return Arrival(kind, found.role, found.source, f"it came as {found.role}")
    return Arrival(kind, found.role, found.source)


def _missing(came: Sequence[TraceRecord], size: int) -> str:
    if any(record.texts == 1 and size < record.bytes <= size + 300 for record in came):  # an instruction is shorter
        return "it came with something written before it: a prefix is set, and not the field that shall carry it"
    return "it did not come to this bridge" + (", though other texts did" if came else "")


def _ask(webui: Webui, texts: dict[Kind, str]) -> str:
    """Why it could not, "" where it could. What was uploaded is taken away again."""
    try:
        file = library.upload(webui, NAME, texts["document"].encode())
        library.query(webui, f"file-{file}", texts["query"], 1)
    except PartNotReady as error:
        return error.message
    finally:
        _take_away(webui)
    return ""


def _take_away(webui: Webui) -> None:
    """What was uploaded, also where it failed, now or before."""
    with suppress(PartNotReady):
        for file in library.look(webui).chat_files:
            if file.name == NAME:
                webui.ask("DELETE", f"/api/v1/files/{file.id}")
