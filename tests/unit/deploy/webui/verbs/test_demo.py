"""`embedstack webui demo` where Open WebUI finds the wrong thing, or nothing: as it does without a word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console

from embedstack.deploy.console import Report
from embedstack.deploy.errors import DeployError, PartNotReady, WrongRanking
from embedstack.deploy.settings import Settings
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.library import Chunk, File, Knowledge
from embedstack.deploy.webui.verbs import demo
from embedstack.deploy.webui.verbs.demo import FoundChunk, WebuiDemo

HANDBOOK = Knowledge("k", "handbook", (File("1", "time-off.pdf"), File("2", "travel.docx")))
RIGHT, WRONG = Chunk("1", "一、带薪休假 …", 0.85), Chunk("2", "差旅与报销 …", 0.61)


@contextmanager
def nobody(*_: object, **__: object) -> Iterator[Webui]:
    with Webui("http://127.0.0.1:9") as webui:
        yield webui


def asked(monkeypatch: pytest.MonkeyPatch, found: tuple[Chunk, ...] | None, question: str | None = None) -> WebuiDemo:
    """The command, where the knowledge base is there and a question finds `found`."""
    monkeypatch.setattr(demo, "_signed_in", nobody)
    monkeypatch.setattr(demo, "put_handbook", lambda *_: (HANDBOOK, ()))
    monkeypatch.setattr(demo.library, "query", lambda *_: found)
    return demo.demo(Settings(), None, Report("test", as_json=True), question, any_version=False)


def test_the_best_is_shown_whole_and_the_others_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """File, score and paragraph."""
    console = Console(width=100)
    with console.capture() as caught:
        console.print(asked(monkeypatch, (RIGHT, WRONG)))

    assert "0.85  time-off.pdf" in caught.get()
    assert "一、带薪休假" in caught.get()
    assert "then travel.docx 0.61" in caught.get()


@pytest.mark.parametrize(
    ("found", "error", "reported"),
    [((WRONG, RIGHT), WrongRanking, "first came travel.docx"), (None, PartNotReady, "another number of dimensions")],
    ids=["another paragraph", "nothing"],
)
def test_what_is_not_right_is_said(
    found: tuple[Chunk, ...] | None, error: type[DeployError], reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong index answers with something else, or with success and nothing."""
    with pytest.raises(error, match=reported):
        asked(monkeypatch, found)


def test_a_question_of_ones_own_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but who asks knows what answers it."""
    assert asked(monkeypatch, (WRONG,), "出差?").found == (FoundChunk("travel.docx", 0.61, WRONG.text),)
