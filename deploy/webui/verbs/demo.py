"""`embedstack webui demo`: the handbook into a knowledge base of Open WebUI, one question, the paragraph found; and
taken away again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from embedstack.deploy.console import Report
from embedstack.deploy.errors import PartNotReady, WrongRanking
from embedstack.deploy.handbook import ANSWERS, NAMES, QUESTION, Chapter, chapters
from embedstack.deploy.settings import Settings
from embedstack.deploy.webui import library, version
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.library import File, Knowledge, Library
from embedstack.deploy.webui.verbs import own as webui_own
from embedstack.deploy.webui.verbs import theirs
from embedstack.deploy.webui.verbs.elsewhere import Elsewhere

NAME = "员工手册 · Employee handbook (demo)"
DESCRIPTION = "一家虚构公司的员工手册。The handbook of an invented company; `embedstack webui demo` put it here."

Step = Callable[[str], AbstractContextManager[None]]
"""Tells that something goes on."""


def base(kept: Library) -> Knowledge | None:
    """The handbook's knowledge base, where there is one."""
    return next((knowledge for knowledge in kept.knowledge if knowledge.name == NAME), None)


def put_handbook(webui: Webui, chapters: tuple[Chapter, ...], step: Step) -> tuple[Knowledge, tuple[str, ...]]:
    """The knowledge base with every chapter in it, and what had to be uploaded for that: nothing the second time.

    PartNotReady with Open WebUI's reason where it could not take one; called again, it goes on from there.
    """
    kept = library.look(webui)
    _drop_failed(webui, kept, chapters)
    found = base(kept) or Knowledge(library.create(webui, NAME, DESCRIPTION), NAME, ())
    wanted = {chapter.name: chapter for chapter in chapters}
    stale = [file for file in found.files if file.name in wanted and not _holds(webui, file, wanted[file.name])]
    for file in stale:
        drop(webui, file)
    there = {file.name for file in found.files if file not in stale}
    missing = [chapter for chapter in chapters if chapter.name not in there]
    for number, chapter in enumerate(missing, 1):
        with step(f"{chapter.name} ({number} of {len(missing)})"):
            _upload(webui, found, chapter)
    if missing:
        found = base(library.look(webui)) or found
    return found, tuple(chapter.name for chapter in missing)


def remove_handbook(webui: Webui) -> tuple[str, ...] | None:
    """Remove the knowledge base and its chapters, and return their names; None if there was none. A file that
    somebody else has put there is kept, outside of it.
    """
    if (found := base(library.look(webui))) is None:
        return None
    ours = [file for file in found.files if file.name in NAMES]
    for file in ours:
        drop(webui, file)
    webui.ask("DELETE", f"/api/v1/knowledge/{found.id}/delete")
    return tuple(file.name for file in ours)


def drop(webui: Webui, file: File) -> None:
    """Delete a file with its chunks, wherever it is."""
    webui.ask("DELETE", f"/api/v1/files/{file.id}")


def _upload(webui: Webui, knowledge: Knowledge, chapter: Chapter) -> None:
    file = library.upload(webui, chapter.name, chapter.data)
    try:
        library.add(webui, knowledge.id, file)
    except PartNotReady:
        with suppress(PartNotReady):
            drop(webui, File(file, chapter.name))  # in no knowledge base it would be of no use to anybody
        raise


def _drop_failed(webui: Webui, kept: Library, chapters: tuple[Chapter, ...]) -> None:
    """What an earlier try has left: a chapter that Open WebUI could not process."""
    wanted = {chapter.name: chapter for chapter in chapters}
    for file in kept.chat_files:
        if file.status == "failed" and file.name in wanted and _holds(webui, file, wanted[file.name]):
            drop(webui, file)


def _holds(webui: Webui, file: File, chapter: Chapter) -> bool:
    """Whether the bytes that were uploaded are the chapter's, as of this release."""
    answer = webui.ask("GET", f"/api/v1/files/{file.id}")
    uploaded = (answer.get("meta") or {}).get("file_hash") if isinstance(answer, dict) else None
    return bool(uploaded == hashlib.sha256(chapter.data).hexdigest())


SHOWN = 3  # chunks


@dataclass(frozen=True)
class FoundChunk:
    """A chunk that the question finds: its file, how near it is (as Open WebUI tells it, 0 to 1), and its text."""

    file: str
    score: float
    text: str


@dataclass(frozen=True)
class WebuiDemo:
    """What was asked and found, best first. `uploaded`: the files that were not there yet."""

    url: str
    knowledge: str
    uploaded: tuple[str, ...]
    question: str
    found: tuple[FoundChunk, ...]

    def __rich__(self) -> Group:
        return Group(*self._lines())

    def _lines(self) -> Iterator[Text | Padding]:
        best, *others = self.found
        yield Text("")
        yield Text(self.question, style="bold")
        yield Text.assemble((f"{best.score:.2f}  ", "green"), best.file)
        yield Padding(Text(best.text), (0, 0, 0, 6), expand=False)
        if others:
            yield Text(f"then {', '.join(f'{other.file} {other.score:.2f}' for other in others)}", style="dim")
        yield Text("")
        yield Text(f"Ask it yourself: {self.url}, type # and choose {self.knowledge!r}. --remove takes it away.")


@dataclass(frozen=True)
class WebuiDemoRemoved:
    """What was taken away; `removed` False where it was not there."""

    url: str
    knowledge: str
    removed: bool
    files: tuple[str, ...]

    def __rich__(self) -> str:
        if not self.removed:
            return f"There is no knowledge base {self.knowledge!r} at {self.url}."
        return f"{self.knowledge!r} and its {len(self.files)} files are gone from {self.url}"


def demo(
    settings: Settings,
    there: Elsewhere | None,
    report: Report,
    question: str | None = None,
    *,
    any_version: bool,
) -> WebuiDemo:
    """Make the knowledge base, or find it again, and ask. NotRunning, WebuiUnsupported, WebuiRefused; PartNotReady
    with Open WebUI's reason where it cannot take a file or finds nothing; WrongRanking where our own question finds
    another paragraph.
    """
    asked = question or QUESTION
    with _signed_in(settings, there, report, any_version=any_version) as webui:
        knowledge, uploaded = put_handbook(webui, chapters(), report.step)
        with report.step("the question"):
            chunks = library.query(webui, knowledge.id, asked, SHOWN)
    if not chunks:
        raise PartNotReady(
            f"Open WebUI finds nothing in {knowledge.name!r}, though its files are there: as it does where they were "
            "embedded with another number of dimensions than the question.",
            "`embedstack webui status` shows its settings; `embedstack webui demo --remove`, then this again.",
        )
    names = {file.id: file.name for file in knowledge.files}
    found = tuple(FoundChunk(names.get(chunk.file, chunk.file), chunk.score, chunk.text) for chunk in chunks)
    if asked == QUESTION:
        _judge(found[0])
    return WebuiDemo(webui.url, knowledge.name, uploaded, asked, found)


def remove(settings: Settings, there: Elsewhere | None, report: Report, *, any_version: bool) -> WebuiDemoRemoved:
    """Take the knowledge base and its files away. NotRunning, WebuiUnsupported, WebuiRefused, PartNotReady."""
    with _signed_in(settings, there, report, any_version=any_version) as webui:
        files = remove_handbook(webui)
    return WebuiDemoRemoved(webui.url, NAME, files is not None, files or ())


@contextmanager
def _signed_in(settings: Settings, there: Elsewhere | None, report: Report, *, any_version: bool) -> Iterator[Webui]:
    """The stack's own Open WebUI, or the one named, as its administrator; of a version that is known, or any."""
    if there is not None:
        with Webui(there.url) as webui:
            version.require(webui.version(), webui.url, any_version=any_version)
            theirs.signed_in(webui, there)
            yield webui
        return
    own = webui_own.find(settings, report)
    with Webui(own.plan.webui_url) as webui:
        version.require(webui.version(), webui.url, any_version=any_version)
        webui_own.signed_in(own, webui)
        yield webui


def _judge(first: FoundChunk) -> None:
    if not any(answer in first.text for answer in ANSWERS):
        raise WrongRanking(
            f"{QUESTION} is answered by the paragraph on holidays in time-off.pdf, but first came {first.file} "
            f"({first.score:.2f}): {first.text[:80]!r} …",
            "`embedstack webui status` shows whether questions and documents are distinguished.",
        )
