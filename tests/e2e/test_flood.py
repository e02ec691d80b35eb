"""A large document at Open WebUI's own settings, a request and a connection for each chunk, all in the same moment.

The stack was brought up from a shell that allows 1,024 open files. Each section of a Markdown document is a chunk of
its own to Open WebUI, however short, so that two thousand of them are a matter of seconds.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest
import requests

from tests.e2e.open_webui import OpenWebui
from tests.stack_command import StackCommand
from tests.upstreams.load import wait_until

CHUNKS = 2_000
WITHIN = 80.0  # seconds
HOLIDAY, QUESTION = "员工每年享有十五天带薪休假。", "公司年假政策有哪些?"
OWN = {"RAG_EMBEDDING_BATCH_SIZE": 1, "ENABLE_ASYNC_EMBEDDING": True, "RAG_EMBEDDING_CONCURRENT_REQUESTS": 0}
_WAITING = re.compile(r'^embed_bridge_queue_texts{lane="bulk"} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Flood:
    """A stack at Open WebUI's own settings, with a knowledge base that is asked while a document is uploaded."""

    command: StackCommand
    webui: OpenWebui
    knowledge: str

    @contextmanager
    def upload(self, name: str) -> Iterator[Future[str]]:
        """A document of 2,000 chunks that nobody has seen, on its way to the engine: more than 1,024 wait for it."""
        text = "\n\n".join(f"# {name[0]}{number}\n\nx" for number in range(CHUNKS))
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(self.webui.upload, f"{name}.md", text.encode())
            wait_until(lambda: upload.done() or self._waiting() > 1024, within=WITHIN, what="1,024 texts that wait")
            assert not upload.done(), upload.result()
            yield upload

    def progress(self, upload: Future[str], left: int) -> None:
        """Wait until fewer than `left` texts wait, with the upload still going on."""
        wait_until(lambda: upload.done() or self._waiting() < left, within=WITHIN, what=f"fewer than {left} that wait")
        assert not upload.done(), upload.result()

    def chunks(self, file: str) -> int:
        """How many of a file's chunks Chroma has."""
        (database,) = self.command.folder.glob("home/stacks/*/data/open-webui/vector_db/chroma.sqlite3")
        query = (
            "SELECT count(*) FROM embeddings JOIN segments ON segments.id = embeddings.segment_id "
            "JOIN collections ON collections.id = segments.collection WHERE collections.name = ?"
        )
        with closing(sqlite3.connect(database)) as open_database:
            (count,) = open_database.execute(query, (f"file-{file}",)).fetchone()
        return int(count)

    def _waiting(self) -> float:
        found = _WAITING.search(requests.get(f"{self.command.bridge}/metrics", timeout=30).text)
        return float(found[1]) if found else 0


@pytest.fixture
def flood(command: StackCommand, webui: OpenWebui) -> Iterator[Flood]:
    knowledge = webui.knowledge("flood")
    webui.upload("holiday.txt", HOLIDAY.encode(), knowledge=knowledge)
    before = webui.ask("GET", "/api/v1/retrieval/embedding")
    _set(webui, {**before, **OWN})
    yield Flood(command, webui, knowledge)
    _set(webui, before)
    webui.ask("DELETE", f"/api/v1/knowledge/{knowledge}/delete")


def _set(webui: OpenWebui, settings: dict[str, object]) -> None:
    names = ("RAG_EMBEDDING_ENGINE", "RAG_EMBEDDING_MODEL", *OWN, "ollama_config")
    webui.ask("POST", "/api/v1/retrieval/embedding/update", {name: settings[name] for name in names})


def test_a_question_during_the_upload(flood: Flood) -> None:
    """Nothing fails, and a question is answered before the upload has ended."""
    with flood.upload("quiet") as upload:
        found = flood.webui.found(flood.knowledge, QUESTION, k=1)
        assert not upload.done()

    assert found == [HOLIDAY]
    assert flood.chunks(upload.result()) == CHUNKS


def test_the_engine_killed_during_the_upload(flood: Flood) -> None:
    """Ollama is killed in the middle of it, and the supervisor starts it again: nothing fails, nothing is missing."""
    engine = flood.command.pids()["ollama"]
    with flood.upload("killed") as upload:
        flood.progress(upload, CHUNKS * 3 // 4)
        os.kill(engine, signal.SIGKILL)

    assert flood.chunks(upload.result()) == CHUNKS
    wait_until(lambda: flood.command.pids().get("ollama") not in (None, engine), within=60, what="the new Ollama")
