"""Whether an index stays searchable: what is compared, and what is said where it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.webui.index import guard
from embedstack.deploy.webui.index.guard import Cost, Indexed, Judgement, Verdict
from embedstack.deploy.webui.index.record import IndexRecord
from embedstack.deploy.webui.library import File, Knowledge, Library

WAS = IndexFacts("0123456789abcdef", "qwen3-embedding:4b", "Q4_K_M", 2560, "qwen3", "", "fedcba9876543210")
NOW = replace(WAS, fingerprint="00000000000000aa", dimensions=1024)
RECORD = IndexRecord(WAS)
SOME, NOTHING = Indexed(knowledge=3, files=12, chat_files=2, memories=1), Indexed()
OTHER = "RAG_EMBEDDING_MODEL 'all-MiniLM-L6-v2', now 'qwen3-embedding:4b'"


@pytest.mark.parametrize(
    ("record", "now", "indexed", "other", "verdict"),
    [
        (None, WAS, NOTHING, None, "fresh"),
        (None, WAS, NOTHING, OTHER, "fresh"),
        (RECORD, NOW, NOTHING, OTHER, "fresh"),
        (None, WAS, SOME, None, "adopted"),
        (None, WAS, SOME, OTHER, "breaks"),
        (RECORD, WAS, SOME, None, "same"),
        (RECORD, WAS, SOME, OTHER, "same"),
        (RECORD, NOW, SOME, None, "breaks"),
        (IndexRecord(WAS, complete=False), WAS, SOME, None, "unfinished"),
        (IndexRecord(WAS, complete=False), NOW, SOME, None, "breaks"),
        (RECORD, None, SOME, None, "unknown"),
        (None, None, SOME, OTHER, "breaks"),
        (None, None, NOTHING, None, "unknown"),
    ],
)
def test_verdicts(
    record: IndexRecord | None, now: IndexFacts | None, indexed: Indexed, other: str | None, verdict: Verdict
) -> None:
    """The fingerprint decides; without a record the model's name; and nothing breaks where nothing is indexed."""
    assert guard.judge(record, now, indexed, other_model=other).verdict == verdict


def test_another_store_begins_empty() -> None:
    """Which Open WebUI would not say; where one of the two is not known, nothing is."""
    record = IndexRecord(WAS, store="chroma")
    moved = guard.judge(record, WAS, SOME, store="pgvector")
    assert moved == Judgement("breaks", ("the vector store chroma, now pgvector",))
    assert "find nothing" in guard.refusal(moved, SOME, Cost(7, None), "x").message
    assert guard.judge(record, WAS, SOME, store="chroma").verdict == "same"
    assert guard.judge(record, WAS, SOME).verdict == guard.judge(RECORD, WAS, SOME, store="weaviate").verdict == "same"
    assert guard.judge(record, WAS, NOTHING, store="pgvector").verdict == "fresh"


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({"dimensions": 1024}, "dimensions 2560, now 1024"),
        ({"model": "qwen3-embedding:0.6b"}, "the model qwen3-embedding:4b, now qwen3-embedding:0.6b"),
        ({"precision": "Q8_0"}, "its precision Q4_K_M, now Q8_0"),
        ({"style": "article"}, "the prompt style qwen3, now article"),
        ({"document_prefix": "passage: "}, "before each document '', now 'passage: '"),
        ({"served": "0000"}, "the weights, or how texts are prepared for them"),
    ],
)
def test_each_change_is_reported_with_both_values(change: dict[str, object], reported: str) -> None:
    """What it was and what it is now."""
    changed = replace(replace(NOW, dimensions=2560), **change)  # type: ignore[arg-type]
    judged = guard.judge(RECORD, changed, SOME)
    assert judged == Judgement("breaks", (reported,))


def test_a_plan_is_compared_before_anything_is_started() -> None:
    """By what is known without the bridge; a precision is the same in whatever case it is written."""
    same = guard.planned(WAS, model=WAS.model, precision="q4_k_m", dimensions=2560)
    other = guard.planned(WAS, model=WAS.model, precision="Q8_0", dimensions=1024)
    assert same == ()
    assert other == ("dimensions 2560, now 1024", "its precision Q4_K_M, now Q8_0")


def test_the_refusal_says_what_breaks_what_it_costs_and_what_to_do() -> None:
    """With its own exit status."""
    judged = guard.judge(RECORD, NOW, SOME)
    error = guard.refusal(judged, SOME, Cost(1240, 85.2), "embedstack up --reindex")
    assert (error.code, error.exit_code) == ("index_would_break", 6)
    assert "dimensions 2560, now 1024" in error.message
    assert "find nothing, and Open WebUI says nothing about it" in error.message
    assert "3 knowledge bases, 12 files, 2 files attached to chats, 1 memory" in error.message
    assert "about 1,240 chunks, 15 s at 85.2 a second" in error.message
    assert "`embedstack up --reindex`" in error.advice


def test_another_model_of_the_same_size_finds_the_wrong_paragraphs() -> None:
    """Which nobody would see."""
    judged = guard.judge(RECORD, replace(NOW, dimensions=2560, precision="Q8_0"), SOME)
    assert "find the wrong paragraphs" in guard.refusal(judged, SOME, Cost(7, None), "x").message


@pytest.mark.parametrize(
    ("cost", "reported"),
    [
        (Cost(1, None), "about 1 chunks"),
        (Cost(900, 100.0), "about 900 chunks, 9 s at 100 a second"),
        (Cost(36_000, 10.0), "about 36,000 chunks, 60 min at 10 a second"),
        (Cost(360_000, 10.0), "about 360,000 chunks, 10.0 h at 10 a second"),
    ],
)
def test_cost_in_words(cost: Cost, reported: str) -> None:
    """Time only where a rate was measured."""
    assert str(cost) == reported


def test_a_file_in_two_knowledge_bases_counts_once() -> None:
    """What is in none is attached to chats."""
    shared, own, loose = File("1", "a.txt"), File("2", "b.txt"), File("3", "c.txt")
    library = Library((Knowledge("k", "one", (shared,)), Knowledge("l", "two", (shared, own))), (loose,), 4)
    assert guard.indexed(library) == Indexed(knowledge=2, files=2, chat_files=1, memories=4)
