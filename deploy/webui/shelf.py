"""The handbook as a knowledge base of an Open WebUI: put there, found again, taken away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from embedstack.deploy.errors import PartNotReady
from embedstack.deploy.handbook import NAMES, Chapter
from embedstack.deploy.webui import library
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.library import File, Knowledge, Library

NAME = "员工手册 · Employee handbook (demo)"
DESCRIPTION = "一家虚构公司的员工手册。The handbook of an invented company; `embedstack webui demo` put it here."

Step = Callable[[str], AbstractContextManager[None]]
"""Tells that something goes on."""


def base(kept: Library) -> Knowledge | None:
    """The handbook's knowledge base, where there is one."""
    return next((knowledge for knowledge in kept.knowledge if knowledge.name == NAME), None)


def put(webui: Webui, chapters: tuple[Chapter, ...], step: Step) -> tuple[Knowledge, tuple[str, ...]]:
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


def remove(webui: Webui) -> tuple[str, ...] | None:
    """Take the knowledge base away and the chapters in it, whose names are told; None where there was none. A file that
    somebody else has put in there is kept, outside of it.
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
    told = webui.ask("GET", f"/api/v1/files/{file.id}")
    uploaded = (told.get("meta") or {}).get("file_hash") if isinstance(told, dict) else None
    return bool(uploaded == hashlib.sha256(chapter.data).hexdigest())
