"""What an index depends on, and who is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedstack.bridge.errors import IndexMismatch, NotKept
from embedstack.bridge.index import fingerprint as index
from embedstack.bridge.index.expectation import Expectation
from embedstack.bridge.index.fingerprint import Fingerprint
from embedstack.bridge.request import EmbedRequest

SERVED = Fingerprint("qwen3-embedding:4b", "Q4_K_M", "weights", "qwen3", "keep")
OTHER = Fingerprint("qwen3-embedding:4b", "Q8_0", "other weights", "qwen3", "keep")
SIZES = range(32, 2561)
ASKED = EmbedRequest("qwen3-embedding:4b", ("a",))


def _expectation(folder: Path | None = None, configured: str | None = None) -> Expectation:
    return Expectation(folder, configured, sizes=SIZES, document_prefix="")


def test_each_of_the_three_makes_another_index() -> None:
    """Vectors, dimensions, document prefix; and the same three the same one, in every process."""
    first = index.facts(SERVED, 1024, "")

    assert first.fingerprint == index.index_id(SERVED.id, 1024, "")
    assert len({first.fingerprint, *(index.facts(*of).fingerprint for of in _OTHERS)}) == 1 + len(_OTHERS)


_OTHERS = ((OTHER, 1024, ""), (SERVED, 1025, ""), (SERVED, 1024, "passage: "))


def test_other_weights_are_refused_and_reported_by_what_was_kept(tmp_path: Path) -> None:
    """The words for what the index was made with outlive the bridge that could have computed them."""
    made = _expectation(tmp_path)
    assert made.expect(index.index_id(SERVED.id, 1024, ""), "qwen3-embedding:4b@1024", SERVED)
    made.check(ASKED, 1024, SERVED)

    with pytest.raises(IndexMismatch) as refused:
        _expectation(tmp_path).check(ASKED, 1024, OTHER)
    assert "qwen3-embedding:4b at Q4_K_M, 1024 dimensions" in refused.value.message
    assert "qwen3-embedding:4b at Q8_0, 1024 dimensions" in refused.value.message
    assert "name back to qwen3-embedding:4b@1024" in refused.value.advice


def test_engines_that_change_are_seen_at_the_next_request() -> None:
    """A request is held against what would answer it, not against what answered before."""
    expectation = _expectation(configured=index.index_id(SERVED.id, 2560, ""))

    expectation.check(ASKED, 2560, SERVED)
    with pytest.raises(IndexMismatch):
        expectation.check(ASKED, 2560, OTHER)
    expectation.check(ASKED, 2560, SERVED)


def test_nothing_is_expected_where_nothing_was_said() -> None:
    """Neither kept nor configured: every request is answered, and without a folder nothing is kept."""
    expectation = _expectation()

    expectation.check(ASKED, 32, SERVED)
    assert not expectation.expect(index.index_id(SERVED.id, 64, ""), "", SERVED)
    with pytest.raises(IndexMismatch, match="64 dimensions"):
        expectation.check(ASKED, 32, SERVED)


@pytest.mark.parametrize("fingerprint", [index.index_id(SERVED.id, 64, ""), None])
@pytest.mark.parametrize("before", [index.index_id(SERVED.id, 1024, ""), None])
def test_what_cannot_be_stored_changes_nothing(tmp_path: Path, before: str | None, fingerprint: str | None) -> None:
    """Neither in memory nor on disk, whatever was expected before; the next start sees what this one answers by."""
    expectation = _expectation(tmp_path / "data")
    if before:
        expectation.expect(before, "demo@1024", SERVED)
        (tmp_path / "data").rename(tmp_path / "kept")
    (tmp_path / "data").write_text("a file in the folder's place")

    with pytest.raises(NotKept, match="cannot be written") as refused:
        expectation.expect(fingerprint, "demo@64", SERVED)
    assert (refused.value.status, refused.value.code) == (507, "index_not_kept")
    assert (expectation.expected and expectation.expected.fingerprint) == before
    kept = _expectation(tmp_path / "kept").expected
    assert (kept and kept.fingerprint) == before


@pytest.mark.parametrize("name", ["\ud800", "a\udfff"])
def test_a_name_that_no_file_can_hold_changes_nothing(tmp_path: Path, name: str) -> None:
    """A door refuses it before; anyone who comes another way leaves memory and disk as they were."""
    expectation = _expectation(tmp_path)
    with pytest.raises(UnicodeEncodeError):
        expectation.expect(index.index_id(SERVED.id, 64, ""), name, SERVED)
    assert (expectation.expected, list(tmp_path.iterdir())) == (None, [])


@pytest.mark.parametrize("content", [b"", b"[]", b'{"fingerprint": "x"}', b"\xff"])
def test_a_file_that_is_none_of_ours_expects_nothing(tmp_path: Path, content: bytes) -> None:
    """The bridge starts, and says so in its log."""
    (tmp_path / "index.json").write_bytes(content)

    assert _expectation(tmp_path).expected is None
