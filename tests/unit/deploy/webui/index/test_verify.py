"""A reindex is counted: Open WebUI answers `true` to one whose files failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from embedstack.deploy.console import Report
from embedstack.deploy.webui import library
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index import guarded, reindex, verify
from embedstack.deploy.webui.library import File, Knowledge

FILE = File("f", "travel.txt", "completed")
BASE = Knowledge("k", "travel", (FILE,))
TEXT = "Trains before planes. " * 20


class FaultyIndex(Webui):
    """An Open WebUI that keeps one file of one knowledge base in its index as it is set."""

    def __init__(self, chunks: list[str] | None, data: Mapping[str, Any]) -> None:
        super().__init__("http://127.0.0.1:9")
        self.chunks, self.data = chunks, data

    def ask(self, *asked: Any, **_: Any) -> Any:
        path = str(asked[1])
        if path.endswith("/data/content"):
            return {"content": TEXT}
        if path.endswith("/query/doc"):
            facts = [{"file_id": FILE.id}] * len(self.chunks or ())
            return None if self.chunks is None else {"documents": [self.chunks], "metadatas": [facts]}
        assert path.endswith(f"/files/{FILE.id}")
        return {"id": FILE.id, "filename": FILE.name, "data": self.data, "meta": {"collection_name": "k"}}


@pytest.mark.parametrize(
    ("chunks", "data", "reason"),
    [
        ([TEXT], {"status": "completed"}, ""),
        ([TEXT[:300], TEXT[200:]], {"status": "completed"}, ""),
        (None, {"status": "completed"}, "no vector of it is in the index"),
        ([], {"status": "completed"}, "no vector of it is in the index"),
        (None, {"status": "failed", "error": "Ollama embed error (500): no"}, "Ollama embed error (500): no"),
        ([TEXT[:100]], {"status": "completed"}, "its chunks hold 87 of 380 characters"),
    ],
)
def test_a_file_is_whole_or_reported(chunks: list[str] | None, data: Mapping[str, Any], reason: str) -> None:
    """By its chunks, each of which has a vector, and by the reason that Open WebUI keeps for itself."""
    with FaultyIndex(chunks, data) as webui:
        base, failed = verify.base(webui, BASE, {})
    assert [each.reason.startswith(reason) for each in failed] == ([True] if reason else [])
    assert (base.vectors, base.answers) == (len(chunks or ()), bool(chunks))


class LostFromTheBase(FaultyIndex):
    """The same, but in the knowledge base all is another file's."""

    def ask(self, *asked: Any, **more: Any) -> Any:
        answer = super().ask(*asked, **more)
        if str(asked[1]).endswith("/query/doc") and asked[2]["collection_name"] == BASE.id:
            return {**answer, "metadatas": [[{"file_id": "another"}] * len(answer["documents"][0])]}
        return answer


def test_a_large_knowledge_base_is_asked_for_each_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more may be in it than are reported, a file is counted by itself, and must be found in the base."""
    monkeypatch.setattr(library, "MOST", (2, 1))
    with FaultyIndex([TEXT], {"status": "completed"}) as webui:
        assert verify.base(webui, BASE, {})[1] == ()
    with LostFromTheBase([TEXT], {"status": "completed"}) as webui:
        (failed,) = verify.base(webui, BASE, {})[1]
    assert str(failed) == "travel.txt in 'travel': its own words do not find it in the knowledge base"


def test_before_and_now_stand_beside_each_other() -> None:
    """What could not be asked before is not known."""
    with FaultyIndex([TEXT], {"status": "completed"}) as webui:
        assert verify.base(webui, BASE, {"k": {"f": 3}})[0].vectors_before == 3
        assert verify.base(webui, BASE, {})[0].vectors_before is None


@pytest.mark.parametrize(("length", "pieces"), [(0, 1), (999, 1), (1000, 1), (1001, 2), (1900, 2), (1901, 3)])
def test_chunks_of_a_text(length: int, pieces: int) -> None:
    """Of 1,000 characters with 100 of the one before: 900 new ones each."""
    assert guarded.pieces(length, 1000, 100) == pieces


@pytest.mark.parametrize(
    ("now", "first", "reported"),
    [
        (150, 100, "doing: 50 of about 200 texts, 30 s left"),
        (500, 100, "doing: 200 of about 200 texts"),
        (None, 100, "doing: 10 s"),
    ],
)
def test_progress_in_words(now: int | None, first: int | None, reported: str) -> None:
    """As the bridge counts; where it does not tell, the time alone."""
    assert reindex.line("doing", now, first, 200, 10.0) == reported


def test_what_work_raises_is_raised() -> None:
    """Also a TimeoutError, which is none of the waiting's."""
    with pytest.raises(TimeoutError, match="its own"):
        reindex.watched(_raises, Report("test", as_json=False), "doing", lambda: None, 0)


def _raises() -> object:
    raise TimeoutError("its own")
