"""Whether what Open WebUI has indexed stays searchable once it is set as it should be. Looked at, never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from rich.text import Text

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.advice import followable
from embedstack.deploy.bridge_client import BridgeClient
from embedstack.deploy.console import Report
from embedstack.deploy.errors import BridgeRefused, WebuiRefused
from embedstack.deploy.webui import library
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index import guard, guarded
from embedstack.deploy.webui.index import record as index_record
from embedstack.deploy.webui.index.guard import Indexed, Judgement
from embedstack.deploy.webui.index.guarded import MODEL, GuardedIndex
from embedstack.deploy.webui.library import Library

Answer = Literal["empty", "valid", "reindex", "unknown"]
SAMPLE = 100  # chunks of a knowledge base: enough to meet a second model where there is one
BASES = 20  # each is a question through Open WebUI
NEIGHBOURS, FEWEST = 8, 3  # chunks that are held against the bridge's vectors
SAME = 0.001  # of a score: what a store in half precision may change; the same vectors in Chroma differ by 0.0000
_SHORT = {"empty": "no", "valid": "no", "reindex": "yes", "unknown": "not known"}
_STYLES = {"empty": "green", "valid": "green", "reindex": "yellow", "unknown": "yellow"}

Noted = Mapping[tuple[str, str], int]
"""Chunks by the engine and the model that Open WebUI noted with them."""


@dataclass(frozen=True)
class ComparedScores:
    """How far Open WebUI's scores of chunks, from 0 to 1, lie from those of the bridge's own vectors, at most."""

    chunks: int
    difference: float

    @property
    def same(self) -> bool:
        return self.difference <= SAME

    def __str__(self) -> str:
        how = "are those" if self.same else "are not those"
        return f"the scores of {self.chunks} chunks {how} of the bridge's vectors (difference {self.difference:.4f})"


@dataclass(frozen=True)
class IndexValidity:
    """Whether a reindex is needed. `next`: what to do, "" for nothing."""

    answer: Answer
    indexed: Indexed
    reason: str
    next: str = ""

    def __rich__(self) -> Text:
        message = f" {followable(self.next)}" if self.next else ""
        short = (f"Do I have to reindex? {_SHORT[self.answer]}", f"bold {_STYLES[self.answer]}")
        return Text.assemble(short, f": {self.reason}{message}")


def look(webui: Webui, must: Mapping[str, Any], index: GuardedIndex, report: Report, *, remedy: str) -> IndexValidity:
    """With the settings that Open WebUI has, and those that it should have. `remedy`: the command that embeds all of it
    again. PartNotReady, WebuiRefused where Open WebUI does not say what it has.
    """
    is_set, known = webui.embedding(), library.look(webui)
    indexed = guard.indexed(known)
    now = index.facts(str(must["RAG_EMBEDDING_MODEL"]), report) if indexed else None
    record = index_record.read(index.path)
    judged = guard.judge(record, now, indexed, other_model=guarded.other(is_set, must), store=index.store)
    wanted = (str(must[MODEL[0]]), str(must[MODEL[1]]))
    if judged.verdict != "adopted" or now is None:
        return judge(judged, indexed, now, {}, wanted, remedy=remedy)
    with report.step("what the index was made with"):
        noted, compared = _noted(webui, known), _compared(webui, known, index, wanted[1], now)
    return judge(judged, indexed, now, noted, wanted, compared, remedy=remedy)


def judge(
    judged: Judgement,
    indexed: Indexed,
    now: IndexFacts | None,
    noted: Noted,
    wanted: tuple[str, str],
    compared: ComparedScores | None = None,
    *,
    remedy: str,
) -> IndexValidity:
    """`wanted`: engine and model that Open WebUI is to be set to. Pure."""
    again = f"`{remedy}` embeds everything again."
    if not indexed:
        return IndexValidity("empty", indexed, "nothing is indexed yet.")
    match judged.verdict:
        case "same":
            return IndexValidity("valid", indexed, "the index was made with the model that the bridge serves now.")
        case "breaks":
            return IndexValidity(
                "reindex", indexed, f"the index was made with something else: {'; '.join(judged.changes)}.", again
            )
        case "unfinished":
            return IndexValidity("reindex", indexed, "an earlier reindex did not finish, or not for every file.", again)
        case "adopted" if now is not None:
            return _without_record(indexed, now, noted, wanted, compared, again)
    return IndexValidity(
        "unknown",
        indexed,
        "the bridge did not say what it would make of a document.",
        "Start the bridge, or name it as this machine reaches it (--bridge-here), and run this again.",
    )


def _without_record(
    indexed: Indexed,
    now: IndexFacts,
    noted: Noted,
    wanted: tuple[str, str],
    compared: ComparedScores | None,
    again: str,
) -> IndexValidity:
    """Nothing is recorded. What Open WebUI noted with its chunks says when it is wrong, its scores when it is right."""
    others = {made: count for made, count in noted.items() if made != wanted}
    if others:
        message = "; ".join(
            f"{count:,} of {sum(noted.values()):,} with {_called(made)}" for made, count in others.items()
        )
        return IndexValidity("reindex", indexed, f"of the chunks that were looked at, {message}.", again)
    if compared is not None and compared.same:
        return IndexValidity("valid", indexed, f"nothing is recorded, and {compared}.")
    if noted and compared is None and not now.document_prefix:
        return IndexValidity(
            "valid",
            indexed,
            f"{_called(wanted)} made every chunk that was looked at ({sum(noted.values()):,}), and the bridge writes "
            f"nothing before a document. Open WebUI does not note the precision: it has to have been {now.precision}, "
            "and RAG_EMBEDDING_CONTENT_PREFIX must not have held a text.",
        )
    return IndexValidity("unknown", indexed, *_not_known(now, wanted, compared, again))


def _not_known(
    now: IndexFacts, wanted: tuple[str, str], compared: ComparedScores | None, again: str
) -> tuple[str, str]:
    """Why it cannot be said, and what to do."""
    if compared is not None:
        return (
            f"nothing is recorded, and {compared}: another model or precision made the index, or Open WebUI writes a "
            "text before documents or questions.",
            f"Look at RAG_EMBEDDING_CONTENT_PREFIX and at the precision of {wanted[1]}; unless both are right, {again}",
        )
    if now.document_prefix:
        return (
            f"the bridge writes {now.document_prefix!r} before each document, and nothing records whether the index "
            "has it.",
            f"If another server than this bridge made the index, it has not: {again}",
        )
    return (
        f"nothing is recorded, and no chunk says what it was made with. It stays valid if {_called(wanted)} at "
        f"{now.precision} made it, with nothing written before a document.",
        f"If you are not sure, {again}",
    )


def _called(made: tuple[str, str]) -> str:
    engine, model = made
    return f"{model} ({engine or 'its own engine'})"


def _noted(webui: Webui, known: Library) -> Noted:
    """What a sample of each knowledge base and file says; {} where Open WebUI cannot ask its own index."""
    try:
        return Counter(made for collection in _collections(known)[:BASES] for made in _of(webui, collection))
    except WebuiRefused:
        return {}


def _collections(known: Library) -> list[str]:
    return [base.id for base in known.knowledge if base.files] + [file.collection for file in known.chat_files]


def _of(webui: Webui, collection: str) -> Iterator[tuple[str, str]]:
    for chunk in library.query(webui, collection, "everything", SAMPLE) or ():
        if chunk.made_with is not None:
            yield chunk.made_with


def _compared(webui: Webui, known: Library, index: GuardedIndex, model: str, now: IndexFacts) -> ComparedScores | None:
    """The first collection with chunks enough; None where there is none, or one of the two cannot be asked."""
    if index.url is None:
        return None
    try:
        with BridgeClient(index.url, index.key) as bridge:
            each = (_of_collection(webui, bridge, at, model, now) for at in _collections(known)[:BASES])
            return next((found for found in each if found is not None), None)
    except (BridgeRefused, WebuiRefused):
        return None


def _of_collection(
    webui: Webui, bridge: BridgeClient, collection: str, model: str, now: IndexFacts
) -> ComparedScores | None:
    """A chunk's own text is asked for, and each other chunk's score compared. Open WebUI may send the question with a
    role or without one: the nearer of the two counts.
    """
    some = library.query(webui, collection, "everything", NEIGHBOURS) or ()
    if len({chunk.text for chunk in some}) <= FEWEST:
        return None
    question = _embedded(some[0].text)
    found = [one for one in library.query(webui, collection, question, NEIGHBOURS) or () if one.text != some[0].text]
    if len(found) < FEWEST:
        return None
    texts = [_embedded(one.text) for one in found]
    size, scores = now.dimensions, np.array([one.score for one in found])
    documents = bridge.embed(texts, model=model, dimensions=size, role="document")
    asked = [bridge.embed([question], model=model, dimensions=size, role=role)[0] for role in ("document", "query")]
    # Its stores give (1 + cosine) / 2, whatever each counts in.
    return ComparedScores(len(found), min(float(np.abs(scores - (1 + documents @ one) / 2).max()) for one in asked))


def _embedded(text: str) -> str:
    """A document's chunk as Open WebUI 0.12 sends it: it keeps the line ends in the text alone."""
    return text.replace("\n", " ")
