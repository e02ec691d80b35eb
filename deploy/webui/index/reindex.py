"""Everything that Open WebUI has indexed, embedded again from the texts it keeps, and then counted and asked.

How far a reindex is: Open WebUI tells nothing until its end, the bridge counts what it is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from embedstack.deploy.console import Report
from embedstack.deploy.errors import DeployError, ReindexFailed, WebuiRefused
from embedstack.deploy.http import HttpServer, NoAnswer
from embedstack.deploy.webui import library
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index import verify
from embedstack.deploy.webui.index.verify import Base, Counts, Failed
from embedstack.deploy.webui.library import File, Library

EVERY = 5.0  # seconds between two lines
COUNTER = "embed_bridge_texts_total{"

T = TypeVar("T")


def texts(url: str, key: str | None) -> int | None:
    """Texts that the bridge has answered since its start; None where it does not tell."""
    with closing(HttpServer(url, key)) as bridge:
        try:
            answer = bridge.ask("GET", "/metrics", timeout=10)
        except NoAnswer:
            return None
    counted = [line.rsplit(" ", 1)[1] for line in answer.text.splitlines() if line.startswith(COUNTER)]
    return int(sum(map(float, counted))) if answer.ok else None


def watched(work: Callable[[], T], report: Report, doing: str, count: Callable[[], int | None], total: int) -> T:
    """What `work` returns, or raises. While it goes on, a line now and then with how many of `total` are done."""
    began, first = time.monotonic(), count()
    with report.step(doing):
        going = _begun(work)
        while not wait([going], EVERY).done:
            report.say(line(doing, count(), first, total, time.monotonic() - began))
        return going.result()


def _begun(work: Callable[[], T]) -> Future[T]:
    """In a thread that does not keep the process alive: Ctrl-C ends the command, not what Open WebUI does."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- raised again where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="reindex").start()
    return future


def line(doing: str, now: int | None, first: int | None, total: int, seconds: float) -> str:
    """`now` and `first`: of a counter; None where it cannot be seen. Pure."""
    if now is None or first is None or not total:
        return f"{doing}: {seconds:.0f} s"
    done = min(now - first, total)
    left = f", {(total - done) * seconds / done:.0f} s left" if 0 < done < total else ""
    return f"{doing}: {done:,} of about {total:,} texts{left}"


UPDATE = "POST /api/v1/files/{id}/data/content/update"
SHOWN = 10  # names in one line


@dataclass(frozen=True)
class ChatFile:
    """A file in no knowledge base. `renewed` None where it was left as it is."""

    id: str
    name: str
    renewed: bool | None = None


@dataclass(frozen=True)
class Reindexed:
    """What came of it. `exit_code` 1 where something is not in the index.

    Attributes:
        bases: the knowledge bases, counted.
        failed: files that are not whole, and whatever else failed, each with the reason.
        chat_files: which Open WebUI never embeds again by itself.
        memories: of all users; None where Open WebUI did not say.
    """

    url: str
    bases: tuple[Base, ...]
    failed: tuple[Failed, ...]
    chat_files: tuple[ChatFile, ...]
    memories: int | None
    seconds: float

    @property
    def exit_code(self) -> int:
        return 1 if self.failed or self.silent else 0

    @property
    def silent(self) -> tuple[str, ...]:
        """Knowledge bases that have files and answer nothing."""
        return tuple(base.name for base in self.bases if not base.answers)

    @property
    def left(self) -> tuple[ChatFile, ...]:
        """Files attached to chats that were not embedded again."""
        return tuple(file for file in self.chat_files if file.renewed is None)

    def __rich__(self) -> RenderableType:
        vectors = sum(base.vectors for base in self.bases)
        head = f"{vectors:,} vectors in {len(self.bases)} knowledge bases, {self.seconds:.1f} s; {self.url}"
        failed = [Text(f"✗ {failed}", style="red") for failed in self.failed]
        silent = [Text(f"✗ {name!r} answers nothing", style="red") for name in self.silent]
        left = [Text(describe_left(self.left), style="yellow")] if self.left else []
        return Group(_table(self.bases), "", *failed, *silent, *left, Text(head))


def describe_left(files: tuple[ChatFile, ...]) -> str:
    """Which files attached to chats are as they were, and how they are renewed."""
    names = ", ".join(f"{file.name} ({file.id})" for file in files[:SHOWN])
    more = f" and {len(files) - SHOWN:,} more" if len(files) > SHOWN else ""
    return (
        f"Not embedded again, since Open WebUI does that only for knowledge bases: {names}{more}, attached to chats. "
        f"`embedstack webui reindex --chat-files` does it ({UPDATE})."
    )


@dataclass(frozen=True)
class ToReindex:
    """What is to be embedded again.

    Attributes:
        known: what Open WebUI has.
        before: what was counted of it while its index could still be asked.
        chat_files: whether files attached to chats are embedded, too.
    """

    known: Library
    before: Counts
    chat_files: bool = False


def reindex(
    webui: Webui, wanted: ToReindex, report: Report, *, chunks: int, answered: Callable[[], int | None]
) -> Reindexed:
    """Open WebUI's three calls in their order, then the check. `chunks` about; `answered`: texts so far, for progress.

    PartNotReady where Open WebUI breaks off.
    """
    began = time.monotonic()
    # Each file twice: for itself, and for its knowledge base.
    _call(webui, "/api/v1/knowledge/reindex", report, "knowledge bases embedded again", answered, 2 * chunks)
    unnamed = _names(
        _call(webui, "/api/v1/knowledge/metadata/reindex", report, "their names embedded again", answered, 0)
    )
    memories, forgotten = _memories(webui, report, answered)
    loose, broken = _chat_files(webui, wanted.known, report, wanted=wanted.chat_files)
    with report.step("counting and asking"):
        checked = [verify.base(webui, knowledge, wanted.before) for knowledge in wanted.known.knowledge]
    return Reindexed(
        url=webui.url,
        bases=tuple(base for base, _ in checked),
        failed=(*(failed for _, each in checked for failed in each), *unnamed, *forgotten, *broken),
        chat_files=loose,
        memories=memories,
        seconds=time.monotonic() - began,
    )


def require_all(done: Reindexed) -> None:
    """ReindexFailed where something is not in the index."""
    if not done.exit_code:
        return
    lines = [*map(str, done.failed), *(f"{name!r} answers nothing" for name in done.silent)]
    more = f"; and {len(lines) - SHOWN:,} more" if len(lines) > SHOWN else ""
    raise ReindexFailed(
        f"Open WebUI did not embed everything again. {'; '.join(lines[:SHOWN])}{more}.",
        "Mend what is named, then `embedstack webui reindex`; a file can also be taken out and uploaded again.",
    )


def _call(
    webui: Webui, path: str, report: Report, doing: str, answered: Callable[[], int | None], total: int
) -> object:
    def work() -> object:
        return webui.ask("POST", path, timeout=None)

    return watched(work, report, doing, answered, total)


def _names(answer: object) -> tuple[Failed, ...]:
    """By its own count: a name that fails is written into its log alone."""
    total, success = (answer.get("total", 0), answer.get("success", 0)) if isinstance(answer, dict) else (0, 0)
    if success == total:
        return ()
    return (Failed("", "names of knowledge bases", "", f"{total - success} of {total} were not embedded"),)


def _memories(
    webui: Webui, report: Report, answered: Callable[[], int | None]
) -> tuple[int | None, tuple[Failed, ...]]:
    """How many, None where it did not say; and why it broke off, if so: then that user's are missing."""
    try:
        reported = _call(webui, "/api/v1/memories/reindex", report, "memories embedded again", answered, 0)
    except WebuiRefused as error:
        return None, (Failed("", "memories", "", error.message),)
    return (reported.get("total_memories") if isinstance(reported, dict) else None), ()


def _chat_files(
    webui: Webui, known: Library, report: Report, *, wanted: bool
) -> tuple[tuple[ChatFile, ...], tuple[Failed, ...]]:
    if not wanted or not known.chat_files:
        return tuple(ChatFile(file.id, file.name) for file in known.chat_files), ()
    with report.step("files attached to chats embedded again"):
        reasons = {file: _renewed(webui, file) for file in known.chat_files}
    failed = (Failed("", file.name, file.id, reason) for file, reason in reasons.items() if reason)
    return tuple(ChatFile(file.id, file.name, not reason) for file, reason in reasons.items()), tuple(failed)


def _renewed(webui: Webui, file: File) -> str:
    """Embed one again; why that failed, "" where it did not."""
    try:
        text = library.content(webui, file.id)
        if not text:
            return "Open WebUI keeps no text of it"
        library.rewrite(webui, file, text)
    except DeployError as error:
        return library.found(webui, file.id).error or error.message
    return "" if library.chunks(webui, file.collection) else "no vector of it is in the index"


def _table(bases: tuple[Base, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("knowledge base", "files", "vectors before", "now", "answers"):
        table.add_column(column, overflow="fold")
    for base in bases:
        before = "?" if base.vectors_before is None else f"{base.vectors_before:,}"
        answers = Text("yes", style="green") if base.answers else Text("no", style="red")
        table.add_row(Text(base.name), str(base.files), before, f"{base.vectors:,}", answers)
    return table
