"""What it costs to embed an index anew: how many chunks, and how many a second this machine does."""

from __future__ import annotations

import math
import secrets
import time

from embedstack.deploy.bridge_client import BridgeClient
from embedstack.deploy.errors import BridgeRefused
from embedstack.deploy.webui import library
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index.guard import Cost
from embedstack.deploy.webui.library import Library

WORDS = "A document is cut into chunks of about this length before it is embedded. "
ENOUGH = 2.0  # seconds that the second batch may take, as the first one foretells
FEWEST = 32  # numbers in a vector: a size that is asked for is answered, whatever index the bridge expects
FIRST, MOST = 2, 32  # texts; 32 is what a stack has Open WebUI send in one request


def of(webui: Webui, known: Library, bridge: BridgeClient | None, model: str) -> Cost:
    """`model` is what Open WebUI would ask for."""
    size, overlap = _cut(webui)
    files = (*known.files, *known.chat_files)
    each = (pieces(len(library.content(webui, file.id)), size, overlap) for file in files)
    chunks = sum(each) + known.memories + len(known.knowledge)
    return Cost(chunks, None if bridge is None else rate(bridge, model, size))


def rate(bridge: BridgeClient, model: str, size: int) -> float | None:
    """Texts of `size` characters a second, measured with a few that no cache has; None where it embeds nothing now."""
    try:
        seconds = _timed(bridge, model, FIRST, size)
        texts = min(MOST, int(ENOUGH * FIRST / seconds))
        if texts <= FIRST:
            return FIRST / seconds
        return texts / _timed(bridge, model, texts, size)
    except BridgeRefused:
        return None


def _timed(bridge: BridgeClient, model: str, texts: int, size: int) -> float:
    filler = WORDS * math.ceil(size / len(WORDS))
    new = [f"{secrets.token_hex(8)} {filler}"[:size] for _ in range(texts)]
    began = time.perf_counter()
    bridge.embed(new, model=model, dimensions=FEWEST, role="document")
    return time.perf_counter() - began


def _cut(webui: Webui) -> tuple[int, int]:
    """Characters of a chunk, and how many of them the one before has too, as Open WebUI is set."""
    told = webui.ask("GET", "/api/v1/retrieval/config")
    return max(int(told.get("CHUNK_SIZE") or 1000), 1), int(told.get("CHUNK_OVERLAP") or 0)


def pieces(length: int, size: int, overlap: int) -> int:
    return math.ceil(max(length - overlap, 1) / max(size - overlap, 1))
