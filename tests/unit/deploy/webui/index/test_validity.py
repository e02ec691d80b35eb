"""Whether a reindex is needed: each case has its own answer, and what is not known is said to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.webui import library
from embedstack.deploy.webui.index import validity
from embedstack.deploy.webui.index.guard import Indexed, Judgement
from embedstack.deploy.webui.index.validity import Answer, ComparedScores, IndexValidity, Noted
from embedstack.deploy.webui.library import Chunk

NOW = IndexFacts("0123456789abcdef", "qwen3-embedding:4b", "Q4_K_M", 2560, "qwen3", "", "fedcba9876543210")
WANTED = ("ollama", "qwen3-embedding:4b")
SOME = Indexed(knowledge=1, files=2)


def _judged(judged: Judgement, noted: Noted | None = None, now: IndexFacts | None = NOW) -> IndexValidity:
    return validity.judge(judged, SOME, now, noted or {}, WANTED, remedy="embedstack webui apply --reindex")


@pytest.mark.parametrize(
    ("judged", "answer", "reported"),
    [
        (Judgement("same"), "valid", "the model that the bridge serves now"),
        (Judgement("breaks", ("dimensions 2560, now 1024",)), "reindex", "dimensions 2560, now 1024"),
        (Judgement("breaks", ("before each document '', now 'title: '",)), "reindex", "'title: '"),
        (Judgement("unfinished"), "reindex", "did not finish"),
        (Judgement("unknown"), "unknown", "did not say"),
    ],
)
def test_what_is_recorded_decides(judged: Judgement, answer: Answer, reported: str) -> None:
    """The same model and prompt: valid. Another one: reindex, and the command. No bridge to compare with: not known."""
    found = _judged(judged, now=None if answer == "unknown" else NOW)

    assert answer == found.answer
    assert reported in found.reason
    assert ("--reindex" in found.next) is (answer == "reindex")


@pytest.mark.parametrize(
    ("noted", "prefix", "answer", "reported"),
    [
        ({WANTED: 7}, "", "valid", "has to have been Q4_K_M"),
        ({WANTED: 5, ("", "all-MiniLM-L6-v2"): 2}, "", "reindex", "2 of 7 with all-MiniLM-L6-v2 (its own engine)"),
        ({}, "", "unknown", "no chunk says"),
        ({WANTED: 7}, "title: ", "unknown", "'title: '"),
    ],
)
def test_without_a_record_the_chunks_are_asked(noted: Noted, prefix: str, answer: Answer, reported: str) -> None:
    """What Open WebUI noted with its chunks decides, with what it does not note beside it; a prefix is not noted."""
    found = _judged(Judgement("adopted"), noted, replace(NOW, document_prefix=prefix))

    assert answer == found.answer
    assert reported in found.reason


@pytest.mark.parametrize("prefix", ["", "title: "])
@pytest.mark.parametrize(
    ("difference", "answer", "reported"),
    [(0.001, "valid", "of 7 chunks are those"), (0.0011, "unknown", "are not those")],
)
def test_scores_say_more_than_notes(prefix: str, difference: float, answer: Answer, reported: str) -> None:
    """Where Open WebUI's own scores are those of the bridge's vectors, nothing else needs to be known; where they are
    not, what to look at is named. A chunk of another model counts all the same.
    """
    now, compared = replace(NOW, document_prefix=prefix), ComparedScores(7, difference)
    found = validity.judge(Judgement("adopted"), SOME, now, {WANTED: 7}, WANTED, compared, remedy="x")
    mixed = {WANTED: 5, ("", "all-MiniLM-L6-v2"): 2}

    assert answer == found.answer
    assert reported in found.reason
    assert ("RAG_EMBEDDING_CONTENT_PREFIX" in found.next) is (answer == "unknown")
    assert validity.judge(Judgement("adopted"), SOME, now, mixed, WANTED, compared, remedy="x").answer == "reindex"


def test_nothing_indexed_is_nothing_to_reindex() -> None:
    """Whatever the settings say."""
    found = validity.judge(Judgement("fresh"), Indexed(), None, {}, WANTED, remedy="x")

    assert (found.answer, found.next) == ("empty", "")
    assert "Do I have to reindex? no" in found.__rich__().plain


@pytest.mark.parametrize(
    ("noted", "made_with"),
    [
        ("{'engine': 'ollama', 'model': 'qwen3-embedding:4b'}", WANTED),
        ({"engine": "", "model": "all-MiniLM-L6-v2"}, ("", "all-MiniLM-L6-v2")),
        ("{'engine': ", None),
        (None, None),
        ("['model']", None),
    ],
)
def test_what_a_chunk_was_made_with_is_read(noted: object, made_with: tuple[str, str] | None) -> None:
    """From a dict in words, as Open WebUI 0.12 keeps it; anything else is nothing."""
    facts = {"file_id": "f", **({"embedding_config": noted} if noted is not None else {})}

    assert library._chunk(facts, "text", 0.5) == Chunk("f", "text", 0.5, made_with)
