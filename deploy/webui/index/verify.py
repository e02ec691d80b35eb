"""Whether every file is in the index: Open WebUI answers `true` to a reindex whose files failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from embedstack.deploy.errors import WebuiRefused
from embedstack.deploy.webui import library
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.library import Chunk, File, Knowledge, Library

WHOLE = 0.9  # of a text's characters, spaces aside, that its chunks must hold; overlaps make it more than 1
NEAREST = 3
NEAR = 20  # chunks among which a file must be that is asked for in its own words
QUESTION = 300  # characters of a file that are asked for

Counts = Mapping[str, Mapping[str, int]]
"""Vectors by knowledge base and file, both by id. A knowledge base that could not be asked is not there."""


@dataclass(frozen=True)
class Failed:
    """A file that is not in the index, or not all of it. `knowledge` "" for one attached to chats."""

    knowledge: str
    file: str
    id: str
    reason: str

    def __str__(self) -> str:
        where = f" in {self.knowledge!r}" if self.knowledge else ""
        return f"{self.file}{where}: {self.reason}"


@dataclass(frozen=True)
class Base:
    """A knowledge base as it is now. `vectors_before` None where it could not be asked then."""

    name: str
    files: int
    vectors_before: int | None
    vectors: int
    answers: bool


def count(webui: Webui, known: Library) -> Counts:
    """As far as they can be asked with what Open WebUI is set to: not where its model is not served any more."""
    try:
        asked = [(base.id, library.chunks(webui, base.id)) for base in known.knowledge if base.files]
    except WebuiRefused:
        return {}
    return {base: Counter(chunk.file for chunk in chunks) for base, chunks in asked if chunks is not None}


def base(webui: Webui, knowledge: Knowledge, before: Counts) -> tuple[Base, tuple[Failed, ...]]:
    """A knowledge base counted and asked; each file of it that is not whole."""
    chunks = library.chunks(webui, knowledge.id) if knowledge.files else ()
    failed = tuple(_failed(webui, knowledge, chunks or ()))
    answers = not knowledge.files or _answers(webui, knowledge, chunks or ())
    was = before.get(knowledge.id)
    vectors_before = sum(was.values()) if was is not None else None
    return Base(knowledge.name, len(knowledge.files), vectors_before, len(chunks or ()), answers), failed


def _failed(webui: Webui, knowledge: Knowledge, chunks: tuple[Chunk, ...]) -> Iterator[Failed]:
    more = len(chunks) in library.MOST  # there may be more than were reported: then the file by itself, and asked for
    for file in knowledge.files:
        mine = [chunk.text for chunk in chunks if chunk.file == file.id]
        if more:
            mine = [chunk.text for chunk in library.chunks(webui, file.collection) or ()]
        reason = _reason(webui, file, mine)
        if reason or (more and (reason := _lost(webui, knowledge, file, mine))):
            yield Failed(knowledge.name, file.name, file.id, reason)


def _lost(webui: Webui, knowledge: Knowledge, file: File, chunks: list[str]) -> str:
    """Why a file that is whole by itself is not in its knowledge base; "" where it is."""
    for text in (chunks[0], chunks[-1]):
        found = library.query(webui, knowledge.id, text[:QUESTION], NEAR) or ()
        if all(chunk.file != file.id for chunk in found):
            return "its own words do not find it in the knowledge base"
    return ""


def _reason(webui: Webui, file: File, chunks: list[str]) -> str:
    """Why it is not whole; "" where it is."""
    now = library.found(webui, file.id)
    if now.status == "failed":
        return now.error or "Open WebUI gives no reason"
    if not chunks:
        return "no vector of it is in the index, and Open WebUI gives no reason"
    covered = sum(map(_letters, chunks)), _letters(library.content(webui, file.id))
    return "" if covered[0] >= WHOLE * covered[1] else f"its chunks hold {covered[0]:,} of {covered[1]:,} characters"


def _answers(webui: Webui, knowledge: Knowledge, chunks: tuple[Chunk, ...]) -> bool:
    """Whether a question out of one of its texts finds something."""
    question = next((chunk.text[:QUESTION] for chunk in chunks), knowledge.name)
    return bool(library.query(webui, knowledge.id, question, NEAREST))


def _letters(text: str) -> int:
    return len("".join(text.split()))
