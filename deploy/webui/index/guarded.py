"""Open WebUI's settings, changed only where what is indexed stays searchable, or is embedded again.

What it costs to embed an index again: how many chunks, and how many a second this machine does.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.bridge_client import BridgeApi, BridgeClient
from embedstack.deploy.console import Report
from embedstack.deploy.errors import BridgeRefused, PartNotReady
from embedstack.deploy.webui import library
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index import guard, verify
from embedstack.deploy.webui.index import record as index_record
from embedstack.deploy.webui.index import reindex as progress
from embedstack.deploy.webui.index.guard import Cost, Judgement, Verdict
from embedstack.deploy.webui.index.record import IndexRecord
from embedstack.deploy.webui.index.reindex import Reindexed, ToReindex, reindex
from embedstack.deploy.webui.library import Library
from embedstack.deploy.webui.settings import put as wanted
from embedstack.deploy.webui.settings.put import Difference, put

WORDS = "A document is cut into chunks of about this length before it is embedded. "
ENOUGH = 2.0  # seconds that the second batch may take, as the first one foretells
FEWEST = 32  # numbers in a vector: a size that is asked for is answered, whatever index the bridge expects
FIRST, MOST = 2, 32  # texts; 32 is what a stack has Open WebUI send in one request


def cost_of(webui: Webui, known: Library, bridge: BridgeClient | None, model: str) -> Cost:
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
    answer = webui.ask("GET", "/api/v1/retrieval/config")
    return max(int(answer.get("CHUNK_SIZE") or 1000), 1), int(answer.get("CHUNK_OVERLAP") or 0)


def pieces(length: int, size: int, overlap: int) -> int:
    return math.ceil(max(length - overlap, 1) / max(size - overlap, 1))


MODEL = ("RAG_EMBEDDING_ENGINE", "RAG_EMBEDDING_MODEL")
"""What cannot change below what was indexed; address, key and pace can."""


@dataclass(frozen=True)
class GuardedIndex:
    """Where the record of an index is, and the bridge that its Open WebUI asks.

    Attributes:
        path: see `index_record.of_stack` and `of_url`.
        url: of the bridge as this machine reaches it; None where it cannot.
        key: an administrator's.
        store: where Open WebUI keeps its vectors; None where that is not known.
    """

    path: Path
    url: str | None = None
    key: str | None = None
    store: str | None = None

    def facts(self, model: str, report: Report) -> IndexFacts | None:
        """What would be indexed under this name from now on; None, and it is said, where the bridge does not tell."""
        if self.url is None:
            return None
        try:
            with BridgeApi(self.url, self.key) as bridge:
                return bridge.index(model)
        except PartNotReady as error:
            report.warn(f"What Open WebUI's index is made with is not known: {error.message}")
            return None

    def keep(self, facts: IndexFacts | None, model: str, report: Report, *, complete: bool = True) -> None:
        """Record it, and have the bridge refuse who asks through something else."""
        if facts is None or self.url is None:
            return
        record = IndexRecord(facts, complete, self.store)
        if index_record.read(self.path) != record:
            index_record.write(self.path, record)
        try:
            with BridgeApi(self.url, self.key) as bridge:
                kept = bridge.expect(facts.fingerprint, model)
            if not kept:
                report.warn(
                    "The bridge forgets at its next start what Open WebUI's index was made with (index.fingerprint)"
                )
        except PartNotReady as error:
            report.warn(f"The bridge does not watch over Open WebUI's index: {error.message}")

    def doubt(self) -> None:
        """What is recorded may not hold any more, and nobody tells what does."""
        if (record := index_record.read(self.path)) is not None:
            index_record.write(self.path, replace(record, complete=False))

    def answered(self) -> int | None:
        """Texts that the bridge has answered so far."""
        return None if self.url is None else progress.texts(self.url, self.key)

    def cost(self, webui: Webui, known: Library, model: str) -> guard.Cost:
        if self.url is None:
            return cost_of(webui, known, None, model)
        with BridgeClient(self.url, self.key) as bridge:
            return cost_of(webui, known, bridge, model)


@dataclass(frozen=True)
class Settled:
    """`changed`: settings that were put right. `reindexed` None where nothing was embedded again."""

    verdict: Verdict
    changed: tuple[Difference, ...]
    reindexed: Reindexed | None = None


def settle(
    webui: Webui,
    must: Mapping[str, Any],
    index: GuardedIndex,
    report: Report,
    *,
    remedy: str,
    reindex: bool,
) -> Settled:
    """Put its settings right. `remedy`: the command that would embed everything again; `reindex`: this is it.

    IndexWouldBreak where its index could not be searched any more, and nothing was changed then. Else as `put` raises,
    and a reindex that goes on may have failed in parts: look at `Settled.reindexed`.
    """
    model = str(must["RAG_EMBEDDING_MODEL"])
    differs = other(webui.embedding(), must)
    now, known = index.facts(model, report), library.look(webui)
    indexed = guard.indexed(known)
    judged = guard.judge(index_record.read(index.path), now, indexed, other_model=differs, store=index.store)
    if reindex and judged.verdict in ("breaks", "unfinished"):
        changes = "; ".join(judged.changes) or "a reindex did not end, or not for every file"
        report.say_plain("[dim]•[/]", f"Open WebUI's index is made again: {changes}; it has {indexed}")
        every = ToReindex(known, verify.count(webui, known))
        changed = put(webui, must)
        done = embed_again(webui, index, model, now, every, report)
        return Settled(judged.verdict, changed, done)
    if judged.verdict == "breaks":
        raise guard.refusal(judged, indexed, index.cost(webui, known, model), remedy)
    _say(judged, now, differs, remedy, report)
    changed = put(webui, must)
    index.keep(now, model, report, complete=judged.verdict != "unfinished")
    return Settled(judged.verdict, changed)


def embed_again(
    webui: Webui,
    index: GuardedIndex,
    model: str,
    now: IndexFacts | None,
    wanted: ToReindex,
    report: Report,
) -> Reindexed:
    """Embed everything with what Open WebUI is set to; `model` is that, `now` what the bridge makes of it."""
    # The bridge learns it before, so that nothing is embedded through something else meanwhile.
    index.keep(now, model, report, complete=False)
    if now is None:
        index.doubt()
    chunks = cost_of(webui, wanted.known, None, model).chunks
    done = reindex(webui, wanted, report, chunks=chunks, answered=index.answered)
    index.keep(now, model, report, complete=not done.exit_code)
    return done


def other(is_set: Mapping[str, Any], must: Mapping[str, Any]) -> str | None:
    """How the model that is set is another one, in words."""
    differs = wanted.differences(is_set, {name: must[name] for name in MODEL})
    return "; ".join(f"{each.name} {each.value}, now {each.must}" for each in differs) or None


def _say(judged: Judgement, now: IndexFacts | None, other: str | None, remedy: str, report: Report) -> None:
    if judged.verdict == "adopted" and now is not None:
        report.warn(
            f"Nothing is recorded of what Open WebUI's index was made with; it is taken for one of {now.model} at "
            f"{now.precision}, {now.dimensions} dimensions, since Open WebUI is set to it"
        )
    elif judged.verdict == "unfinished":
        report.warn(f"A reindex of Open WebUI did not end, or not for every file: `{remedy}` goes through it again")
    elif judged.verdict == "same" and other is not None:
        report.warn(
            f"Open WebUI was set to another model by hand: {other}. What was added to it meanwhile is not found by "
            "questions: `embedstack webui reindex`"
        )
