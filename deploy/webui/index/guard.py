"""Whether an index goes on being searched with what it was made with, and what it costs where it does not. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.errors import IndexWouldBreak
from embedstack.deploy.webui.index.record import IndexRecord
from embedstack.deploy.webui.library import Library

Verdict = Literal["fresh", "same", "adopted", "unfinished", "unknown", "breaks"]
_STORE = "the vector store"
CALLED = {"model": "the model", "precision": "its precision", "style": "the prompt style"}


@dataclass(frozen=True)
class Indexed:
    """How much is indexed. `files` are those in knowledge bases."""

    knowledge: int = 0
    files: int = 0
    chat_files: int = 0
    memories: int = 0

    def __bool__(self) -> bool:
        return bool(self.knowledge or self.files or self.chat_files or self.memories)

    def __str__(self) -> str:
        parts = (
            (self.knowledge, "knowledge base"),
            (self.files, "file"),
            (self.chat_files, "file attached to chats"),
            (self.memories, "memory"),
        )
        return ", ".join(_counted(count, name) for count, name in parts if count) or "nothing"


@dataclass(frozen=True)
class Cost:
    """`chunks` about; `rate` in chunks a second, None where it was not measured."""

    chunks: int
    rate: float | None

    def __str__(self) -> str:
        if not self.rate:
            return f"about {self.chunks:,} chunks"
        return f"about {self.chunks:,} chunks, {_duration(self.chunks / self.rate)} at {self.rate:,.3g} a second"


@dataclass(frozen=True)
class Judgement:
    """`changes`: what is other than it was, in words; empty unless the verdict is `breaks`."""

    verdict: Verdict
    changes: tuple[str, ...] = ()


def indexed(library: Library) -> Indexed:
    return Indexed(len(library.knowledge), len(library.files), len(library.chat_files), library.memories)


def judge(
    record: IndexRecord | None,
    now: IndexFacts | None,
    indexed: Indexed,
    *,
    other_model: str | None = None,
    store: str | None = None,
) -> Judgement:
    """`now`: what would be searched with from now on; None where no bridge tells it. `store`: where; None: not known.

    `other_model`: what Open WebUI asks for where that is not what it shall ask for: without a record the only thing
    that is known of its index.
    """
    if not indexed:
        return Judgement("unknown" if now is None else "fresh")
    if record is None or now is None:
        if other_model:
            return Judgement("breaks", (other_model,))
        return Judgement("unknown" if now is None else "adopted")
    moved = moves(record, store)
    if record.facts.fingerprint != now.fingerprint:
        return Judgement("breaks", (*changes(record.facts, now), *moved))
    if moved:
        return Judgement("breaks", moved)
    return Judgement("same" if record.complete else "unfinished")


def planned(was: IndexFacts, *, model: str, precision: str, dimensions: int) -> tuple[str, ...]:
    """What would be other than it was, as far as it is known before anything is started."""
    same_precision = precision.casefold() == was.precision.casefold()
    now = replace(was, model=model, precision=was.precision if same_precision else precision, dimensions=dimensions)
    return () if now == was else changes(was, now)


def moves(record: IndexRecord, store: str | None) -> tuple[str, ...]:
    """That its vectors would be looked for in another store, which begins empty, in words."""
    if None in (record.store, store) or record.store == store:
        return ()
    return (f"{_STORE} {record.store}, now {store}",)


def changes(was: IndexFacts, now: IndexFacts) -> tuple[str, ...]:
    """What is other than it was, in words."""
    reported = tuple(_changes(was, now))
    return reported or ("the weights, or how texts are prepared for them",)


def refusal(judgement: Judgement, indexed: Indexed, cost: Cost | None, command: str) -> IndexWouldBreak:
    """`command` is the one that changes it and embeds everything again. `cost` None: it could not be asked."""
    silent = (
        "find nothing, and Open WebUI says nothing about it" if _resized(judgement) else "find the wrong paragraphs"
    )
    return IndexWouldBreak(
        f"Open WebUI's index was made with something else: {'; '.join(judgement.changes)}. Questions would {silent}. "
        f"It has {indexed}.{f' To embed it again: {cost}.' if cost else ''}",
        f"`{command}` changes it and embeds everything again. To keep the index, set back what you changed; "
        "nothing was changed in Open WebUI.",
    )


def _resized(judgement: Judgement) -> bool:
    return any(change.startswith(("dimensions", _STORE)) for change in judgement.changes)


def _changes(was: IndexFacts, now: IndexFacts) -> Iterator[str]:
    if was.dimensions != now.dimensions:
        yield f"dimensions {was.dimensions}, now {now.dimensions}"
    for name, called in CALLED.items():
        if getattr(was, name) != getattr(now, name):
            yield f"{called} {getattr(was, name)}, now {getattr(now, name)}"
    if was.document_prefix != now.document_prefix:
        yield f"before each document {was.document_prefix!r}, now {now.document_prefix!r}"


def _counted(count: int, name: str) -> str:
    if count == 1:
        return f"1 {name}"
    plural = {"memory": "memories", "file attached to chats": "files attached to chats"}.get(name, f"{name}s")
    return f"{count:,} {plural}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
