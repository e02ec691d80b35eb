"""Whether what Open WebUI has indexed stays searchable once it is set as it should be. Looked at, never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.text import Text

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.advice import followable
from embedstack.deploy.console import Report
from embedstack.deploy.errors import WebuiRefused
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
_SHORT = {"empty": "no", "valid": "no", "reindex": "yes", "unknown": "not known"}
_STYLES = {"empty": "green", "valid": "green", "reindex": "yellow", "unknown": "yellow"}

Noted = Mapping[tuple[str, str], int]
"""Chunks by the engine and the model that Open WebUI noted with them."""


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


def look(webui: Webui, must: Mapping[str, Any], index: GuardedIndex, report: Report, *, anew: str) -> IndexValidity:
    """With the settings that Open WebUI has, and those that it should have. `anew`: the command that embeds everything
    again. PartNotReady, WebuiRefused where Open WebUI does not say what it has.
    """
    is_set, known = webui.embedding(), library.look(webui)
    indexed = guard.indexed(known)
    now = index.facts(str(must["RAG_EMBEDDING_MODEL"]), report) if indexed else None
    record = index_record.read(index.path)
    judged = guard.judge(record, now, indexed, other_model=guarded.other(is_set, must), store=index.store)
    noted = _noted(webui, known) if judged.verdict == "adopted" else {}
    return judge(judged, indexed, now, noted, (str(must[MODEL[0]]), str(must[MODEL[1]])), anew=anew)


def judge(
    judged: Judgement, indexed: Indexed, now: IndexFacts | None, noted: Noted, wanted: tuple[str, str], *, anew: str
) -> IndexValidity:
    """`wanted`: engine and model that Open WebUI is to be set to. Pure."""
    again = f"`{anew}` embeds everything again."
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
            return _without_record(indexed, now, noted, wanted, again)
    return IndexValidity(
        "unknown",
        indexed,
        "the bridge did not say what it would make of a document.",
        "Start the bridge, or name it as this machine reaches it (--bridge-here), and run this again.",
    )


def _without_record(
    indexed: Indexed, now: IndexFacts, noted: Noted, wanted: tuple[str, str], again: str
) -> IndexValidity:
    """Nothing is recorded. Open WebUI's own note with each chunk is all that is known, and it is not everything."""
    others = {made: count for made, count in noted.items() if made != wanted}
    if others:
        message = "; ".join(
            f"{count:,} of {sum(noted.values()):,} with {_called(made)}" for made, count in others.items()
        )
        return IndexValidity("reindex", indexed, f"of the chunks that were looked at, {message}.", again)
    if now.document_prefix:
        return IndexValidity(
            "unknown",
            indexed,
            f"the bridge writes {now.document_prefix!r} before each document, and nothing records whether the index "
            "has it.",
            f"If another server than this bridge made the index, it has not: {again}",
        )
    if not noted:
        return IndexValidity(
            "unknown",
            indexed,
            f"nothing is recorded, and no chunk says what it was made with. It stays valid if {_called(wanted)} at "
            f"{now.precision} made it, with nothing written before a document.",
            f"If you are not sure, {again}",
        )
    return IndexValidity(
        "valid",
        indexed,
        f"{_called(wanted)} made every chunk that was looked at ({sum(noted.values()):,}), and the bridge writes "
        f"nothing before a document. Open WebUI does not note the precision: it has to have been {now.precision}, and "
        "RAG_EMBEDDING_CONTENT_PREFIX must not have held a text.",
    )


def _called(made: tuple[str, str]) -> str:
    engine, model = made
    return f"{model} ({engine or 'its own engine'})"


def _noted(webui: Webui, known: Library) -> Noted:
    """What a sample of each knowledge base and file says; {} where Open WebUI cannot ask its own index."""
    files = [base.id for base in known.knowledge if base.files] + [file.collection for file in known.chat_files]
    try:
        return Counter(made for collection in files[:BASES] for made in _of(webui, collection))
    except WebuiRefused:
        return {}


def _of(webui: Webui, collection: str) -> Iterator[tuple[str, str]]:
    for chunk in library.query(webui, collection, "everything", SAMPLE) or ():
        if chunk.made_with is not None:
            yield chunk.made_with
