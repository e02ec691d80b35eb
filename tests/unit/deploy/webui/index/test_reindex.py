"""What a reindex makes of Open WebUI's answers: some of its failures are in none of them."""

from __future__ import annotations

from typing import Any

import pytest

from embedstack.deploy.console import Report
from embedstack.deploy.errors import ReindexFailed, WebuiRefused
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index import reindex
from embedstack.deploy.webui.index.reindex import ChatFile, Reindexed, ToReindex
from embedstack.deploy.webui.index.verify import Base, Failed
from embedstack.deploy.webui.library import File, Library

ATTACHED = File("f", "attached.txt", "completed")
REPORT = Report("test", as_json=False)


class FaultyReindex(Webui):
    """An Open WebUI whose second and third call fail, each in its own way, and that keeps no text of a file."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")
        self.asked: list[str] = []

    def ask(self, *asked: Any, **_: Any) -> Any:
        self.asked.append(path := str(asked[1]))
        if path.endswith("/memories/reindex"):
            raise WebuiRefused("Open WebUI answered 500.")
        answers = {
            "/api/v1/knowledge/reindex": True,
            "/api/v1/knowledge/metadata/reindex": {"total": 3, "success": 1},
            "/api/v1/files/f/data/content": {"content": ""},
        }
        return answers[path]


def _reindexed(webui: Webui, *, chat_files: bool) -> Reindexed:
    wanted = ToReindex(Library((), (ATTACHED,), 2), {}, chat_files)
    return reindex.reindex(webui, wanted, REPORT, chunks=0, answered=lambda: None)


def test_each_failure_is_reported_and_the_rest_is_done() -> None:
    """Names by Open WebUI's own count, memories by its refusal, a file without a text."""
    with (webui := FaultyReindex()):
        done = _reindexed(webui, chat_files=True)
    assert [(failed.file, failed.reason) for failed in done.failed] == [
        ("names of knowledge bases", "2 of 3 were not embedded"),
        ("memories", "Open WebUI answered 500."),
        ("attached.txt", "Open WebUI keeps no text of it"),
    ]
    assert (done.exit_code, done.chat_files) == (1, (ChatFile("f", "attached.txt", renewed=False),))
    assert webui.asked[:3] == [
        "/api/v1/knowledge/reindex",
        "/api/v1/knowledge/metadata/reindex",
        "/api/v1/memories/reindex",
    ]


def test_files_attached_to_chats_are_named_where_they_are_left() -> None:
    """With the id that the call needs, and the command that makes it."""
    with FaultyReindex() as webui:
        done = _reindexed(webui, chat_files=False)
    reported = reindex.describe_left(done.left)
    assert "attached.txt (f)" in reported
    assert "--chat-files" in reported
    assert "/api/v1/files/{id}/data/content/update" in reported


def test_what_is_required_is_all_of_it() -> None:
    """A file that failed, or a knowledge base that answers nothing, ends `up`."""
    base = Base("travel", 1, 3, 0, answers=False)
    done = Reindexed("http://x", (base,), (Failed("travel", "long.txt", "f", "too long"),), (), 0, 1.0)
    with pytest.raises(ReindexFailed, match=r"long\.txt in 'travel': too long; 'travel' answers nothing"):
        reindex.require_all(done)
    reindex.require_all(Reindexed("http://x", (), (), (), 0, 1.0))
