"""The whole way in a real browser: from the first visit to an answer with its source, a picture kept of each step.

Those of docs/open-webui.md: `SCREENSHOTS=docs/images .venv/bin/python -m pytest tests/e2e/test_browser.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedstack.deploy import handbook
from tests.e2e.browser import Browser, browser
from tests.e2e.open_webui import OpenWebui
from tests.stack_command import StackCommand
from tests.upstreams.chat_model import chat_model

EMAIL = "admin@localhost"
NAME, DESCRIPTION = "Staff handbook", "What everybody asks"
AS_WRITTEN_BY_HAND = {
    "Embedding Model Engine": "openai",
    "API Base URL": "http://127.0.0.1:1/v1",
    "API Key": "of somebody else",
    "Embedding Batch Size": "1",
}


@pytest.fixture
def chat(command: StackCommand, webui: OpenWebui) -> Iterator[None]:
    """A chat model among those of the stack's Ollama, which reads aloud what it is given."""
    before = webui.ask("GET", "/ollama/config")
    with chat_model(command.ollama) as (url, _):
        webui.ask("POST", "/ollama/config/update", {**before, "OLLAMA_BASE_URLS": [url]})
        yield
        webui.ask("POST", "/ollama/config/update", before)


@pytest.fixture
def person(command: StackCommand) -> Iterator[Browser]:
    with browser(command.webui) as running:
        yield running


@pytest.fixture
def password(command: StackCommand) -> str:
    """The administrator's, of the generated secrets."""
    return str(command.data("config", "secrets")["secrets"]["webui_admin_password"])


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The handbook: PDF, DOCX, Markdown and text."""
    for chapter in handbook.chapters():
        (tmp_path / chapter.name).write_bytes(chapter.data)
    return [tmp_path / name for name in handbook.NAMES]


@pytest.mark.usefixtures("chat")
def test_from_the_first_visit_to_an_answer(
    person: Browser, command: StackCommand, webui: OpenWebui, password: str, files: list[Path]
) -> None:
    """The bridge is set; PDF, DOCX, Markdown and text are taken; what is meant is found, and answered with it."""
    person.visit()
    person.picture("1-first-visit")
    person.sign_in(EMAIL, password)
    embedding = person.embedding().shown()
    person.picture("2-documents")
    assert (embedding["Embedding Model Engine"], embedding["API Base URL"]) == ("ollama", command.bridge)

    knowledge = person.new_knowledge(NAME, DESCRIPTION)
    person.picture("4-new-knowledge-base")
    person.upload(files)
    person.picture("5-uploaded")
    kept = webui.ask("GET", f"/api/v1/knowledge/{knowledge}/files")["items"]
    states = {item["filename"]: webui.ask("GET", f"/api/v1/files/{item['id']}")["data"]["status"] for item in kept}
    assert states == dict.fromkeys(handbook.NAMES, "completed")

    first = webui.found(knowledge, handbook.QUESTION)[0]
    assert "带薪休假" in first
    assert "年假" not in first

    person.write(handbook.QUESTION, NAME)
    person.picture("6-question")
    answer = person.send()
    person.picture("7-answer")
    assert person.sources(answer)[0] == "time-off.pdf"
    assert "带薪休假" in answer.inner_text()
    assert "带薪休假" in person.open_source(answer)
    person.picture("8-source")
    webui.ask("DELETE", f"/api/v1/knowledge/{knowledge}/delete")


def test_settings_changed_by_hand(person: Browser, command: StackCommand, password: str) -> None:
    """Another engine, address and batch size, saved in the browser: `status` names each, `apply` mends them."""
    person.sign_in(EMAIL, password)
    embedding = person.embedding()
    before = embedding.shown()
    embedding.change(AS_WRITTEN_BY_HAND)
    person.picture("3-changed-by-hand")
    embedding.save()

    reported = command.run("webui", "status", "--json")
    assert reported.returncode == 1
    rows = json.loads(reported.stdout)["data"]["settings"]
    differing = {row["name"]: row["value"] for row in rows if row["differs"]}
    assert differing["RAG_EMBEDDING_ENGINE"] == "openai"
    assert differing["RAG_EMBEDDING_MODEL"] == "text-embedding-3-small"
    assert differing["RAG_EMBEDDING_BATCH_SIZE"] == "1"

    command.data("webui", "apply")

    assert person.embedding().shown() == before
    assert command.run("webui", "status").returncode == 0
