"""What an Open WebUI keeps: knowledge bases, files, memories, and the chunks that it finds of them."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from embedstack.deploy.errors import PartNotReady, WebuiRefused
from embedstack.deploy.webui.client import Webui

# Chroma refuses more than about 32,000 (SQLite's variables) and Weaviate more than 10,000 (QUERY_MAXIMUM_RESULTS), and
# Open WebUI makes an empty answer of either refusal.
MOST = (30_000, 10_000)
LONG = 600.0  # seconds: an upload is extracted, cut and embedded


@dataclass(frozen=True)
class File:
    """A file that was uploaded.

    Attributes:
        status: completed, failed, pending; "" where nothing is said.
        error: why it failed.
        indexed: whether it was ever cut into chunks: a picture in a chat is not.
    """

    id: str
    name: str
    status: str = ""
    error: str = ""
    indexed: bool = True

    @property
    def collection(self) -> str:
        """Its own chunks, which a chat that it is attached to asks."""
        return f"file-{self.id}"


@dataclass(frozen=True)
class Knowledge:
    """A knowledge base; its id is the name of its collection too."""

    id: str
    name: str
    files: tuple[File, ...]


@dataclass(frozen=True)
class Library:
    """All of it. `chat_files` are in no knowledge base: attached to chats, mostly. `memories` are the administrator's
    own: Open WebUI tells no one else's."""

    knowledge: tuple[Knowledge, ...]
    chat_files: tuple[File, ...]
    memories: int

    @property
    def files(self) -> tuple[File, ...]:
        """Those in knowledge bases, each once."""
        return tuple({file.id: file for knowledge in self.knowledge for file in knowledge.files}.values())


@dataclass(frozen=True)
class Chunk:
    """A piece of a file as a question finds it: the file's id, and how near it is, as Open WebUI tells it: 0 to 1.

    Attributes:
        made_with: the engine and the model that Open WebUI noted with it; None where it noted none.
    """

    file: str
    text: str
    score: float = 0.0
    made_with: tuple[str, str] | None = None


def look(webui: Webui) -> Library:
    """Everything, without any text. WebuiRefused for one who is not an administrator."""
    known = {file.id: file for file in map(_file, _pages(webui, "/api/v1/files/", content="false"))}
    bases = tuple(_knowledge(webui, entry, known) for entry in _pages(webui, "/api/v1/knowledge/"))
    kept = {file.id for base in bases for file in base.files}
    loose = tuple(file for file in known.values() if file.id not in kept and file.indexed)
    return Library(bases, loose, _memories(webui))


def content(webui: Webui, file: str) -> str:
    """The text that was extracted from a file, which is what a reindex embeds; "" where it has none."""
    return str(webui.ask("GET", f"/api/v1/files/{file}/data/content").get("content") or "")


def found(webui: Webui, file: str) -> File:
    """A file as it is now."""
    return _file(webui.ask("GET", f"/api/v1/files/{file}"))


def query(webui: Webui, collection: str, text: str, k: int) -> tuple[Chunk, ...] | None:
    """The k chunks that are nearest, best first; None where the collection is not there or cannot be asked: Open WebUI
    says nothing where the vectors have another size than the question's.
    """
    # `hybrid` false, and not by query/collection, which does not heed it: that would embed every candidate again.
    body = {"collection_name": collection, "query": text, "k": k, "hybrid": False}
    answer = webui.ask("POST", "/api/v1/retrieval/query/doc", body, timeout=LONG)
    if not isinstance(answer, dict) or not answer.get("documents"):
        return None
    texts, facts = answer["documents"][0], (answer.get("metadatas") or [[]])[0]
    facts = facts or [None] * len(texts)
    scores = (answer.get("distances") or [[]])[0] or [0.0] * len(texts)  # similarities, whatever their name
    return tuple(_chunk(fact or {}, text, score) for fact, text, score in zip(facts, texts, scores, strict=True))


def _chunk(facts: dict[str, Any], text: object, score: float) -> Chunk:
    return Chunk(str(facts.get("file_id", "")), str(text), float(score), _made_with(facts.get("embedding_config")))


def _made_with(noted: object) -> tuple[str, str] | None:
    """Open WebUI 0.12 writes a dict as Python shows it, since a store takes no dict."""
    try:
        message = ast.literal_eval(noted) if isinstance(noted, str) else noted
    except (ValueError, SyntaxError):
        return None
    if not isinstance(message, dict) or "model" not in message:
        return None
    return str(message.get("engine") or ""), str(message["model"])


def chunks(webui: Webui, collection: str) -> tuple[Chunk, ...] | None:
    """Every chunk of a collection, up to 30,000: each has its vector. None as for `query`.

    There is no route that counts; a question that asks for more than there are gets them all.
    """
    for most in MOST:
        if got := query(webui, collection, "everything", most):
            return got
    return None


def create(webui: Webui, name: str, description: str) -> str:
    """A new knowledge base's id."""
    return str(webui.ask("POST", "/api/v1/knowledge/create", {"name": name, "description": description})["id"])


def upload(webui: Webui, name: str, data: bytes) -> str:
    """A file's id, once it is processed. PartNotReady with Open WebUI's reason where that failed."""
    path = "/api/v1/files/?process=true&process_in_background=false"
    file = str(webui.ask("POST", path, files={"file": (name, data)}, timeout=LONG)["id"])
    until = time.monotonic() + LONG
    while (now := found(webui, file)).status in ("", "pending") and time.monotonic() < until:
        time.sleep(0.5)
    if now.status != "completed":
        raise PartNotReady(f"Open WebUI could not process {name}: {now.error or now.status or 'it gives no reason'}.")
    return file


def add(webui: Webui, knowledge: str, file: str) -> None:
    """A processed file into a knowledge base. One that is not processed yet would be marked as failed for it."""
    webui.ask("POST", f"/api/v1/knowledge/{knowledge}/file/add", {"file_id": file}, timeout=LONG)


def rewrite(webui: Webui, file: File, text: str) -> None:
    """Embed a file's text again: the only way for one that is in no knowledge base. WebuiRefused where it failed."""
    webui.ask("POST", f"/api/v1/files/{file.id}/data/content/update", {"content": text}, timeout=LONG)


def _knowledge(webui: Webui, record: dict[str, Any], known: dict[str, File]) -> Knowledge:
    inside = _pages(webui, f"/api/v1/knowledge/{record['id']}/files", order_by="created_at", direction="asc")
    files = tuple(known.get(str(entry["id"])) or _file(entry) for entry in inside)
    return Knowledge(str(record["id"]), str(record["name"]), files)


def _file(record: dict[str, Any]) -> File:
    data, meta = record.get("data") or {}, record.get("meta") or {}
    status = str(data.get("status") or "")
    indexed = bool(meta.get("collection_name")) or status == "failed"
    return File(str(record["id"]), str(record["filename"]), status, str(data.get("error") or ""), indexed)


def _memories(webui: Webui) -> int:
    try:
        answer = webui.ask("GET", "/api/v1/memories/")
    except WebuiRefused as error:
        if error.status not in (401, 403, 404):
            raise
        return 0  # switched off
    return len(answer) if isinstance(answer, list) else 0


def _pages(webui: Webui, path: str, **options: str) -> Iterator[dict[str, Any]]:
    """Every entry of a list that comes in pages."""
    page, seen = 1, 0
    while True:
        answer = webui.ask("GET", f"{path}?{urlencode({**options, 'page': page})}")
        items = answer["items"]
        yield from items
        seen, page = seen + len(items), page + 1
        if not items or seen >= answer["total"]:
            return
