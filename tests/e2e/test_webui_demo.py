"""`embedstack webui demo`: from a stack that is up to the paragraph that answers a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from embedstack.deploy.handbook import NAMES
from embedstack.deploy.webui.verbs import demo as shelf
from tests.e2e.open_webui import OpenWebui
from tests.stack_command import StackCommand


@pytest.fixture(scope="module")
def webui(command: StackCommand) -> Iterator[OpenWebui]:
    """Signed in once for all tests here: Open WebUI 0.12.4 lets an account sign in 15 times in three minutes."""
    webui = OpenWebui(command.webui)
    webui.sign_in(password=command.data("config", "secrets")["secrets"]["webui_admin_password"])
    for file in webui.ask("GET", "/api/v1/files/?content=false")["items"]:
        if file["filename"] in NAMES:  # what other tests have uploaded under the same names
            webui.ask("DELETE", f"/api/v1/files/{file['id']}")
    yield webui
    webui.close()


@pytest.fixture
def demo(command: StackCommand, webui: OpenWebui) -> Iterator[Demo]:
    """`embedstack webui demo` by the session's token; what it has made is gone after the test."""
    demo = Demo(command, {"EMBEDSTACK_WEBUI_TOKEN": webui.token})
    yield demo
    demo.data("--remove")


@dataclass(frozen=True)
class Demo:
    """The command, at the stack's Open WebUI by its address."""

    command: StackCommand
    token: dict[str, str]

    def data(self, *words: str) -> dict[str, Any]:
        return self.command.data("webui", "demo", "--url", self.command.webui, *words, **self.token)

    def error(self, *words: str) -> dict[str, Any]:
        return self.command.error("webui", "demo", "--url", self.command.webui, *words, **self.token)


def names(webui: OpenWebui) -> list[str]:
    """Of every file that Open WebUI has."""
    return sorted(file["filename"] for file in webui.ask("GET", "/api/v1/files/?content=false")["items"])


def bases(webui: OpenWebui) -> dict[str, str]:
    """The ids of the knowledge bases, by name."""
    return {base["name"]: base["id"] for base in webui.ask("GET", "/api/v1/knowledge/")["items"]}


def test_the_paragraph_is_found_and_the_second_time_nothing_is_uploaded(command: StackCommand, demo: Demo) -> None:
    """A person sees how the upload goes, the paragraph that never says the question's word, its file and its score."""
    done = command.run("webui", "demo")

    assert done.returncode == 0, done.stderr
    for name in NAMES:
        assert f"✓ {name}" in done.stderr
    assert "公司年假政策有哪些?" in done.stdout
    assert "十五天带薪休假" in done.stdout
    assert "年假" not in done.stdout.replace("公司年假政策有哪些?", "")
    assert "time-off.pdf" in done.stdout

    again = demo.data()
    first, second, third = again["found"]
    assert again["uploaded"] == []
    assert (first["file"], second["file"]) == ("time-off.pdf", "time-off.pdf")
    assert "带薪休假" in first["text"]
    assert "paid holiday" in second["text"]
    assert 1 >= first["score"] > second["score"] > third["score"] > 0


def test_other_questions_find_other_files(demo: Demo) -> None:
    """In English too."""
    asked = {
        "How many vacation days do I have?": ("time-off.pdf", "paid holiday"),
        "如何报销出差的机票?": ("travel.docx", "差旅报销单"),
        "How do I set up an SSL certificate?": ("certificates.md", "ssl_certificate_key"),
        "护照快过期了怎么办?": ("passports.txt", "护照到期前一年"),
    }
    for question, (file, said) in asked.items():
        first = demo.data("--question", question)["found"][0]
        assert (question, first["file"]) == (question, file)
        assert said in first["text"]


def test_what_was_taken_from_it_is_put_back(demo: Demo, webui: OpenWebui) -> None:
    """A chapter that somebody has deleted, and one that is another release's."""
    demo.data()
    kept = {file["filename"]: file["id"] for file in webui.ask("GET", "/api/v1/files/?content=false")["items"]}
    for name in ("passports.txt", "certificates.md"):
        webui.ask("DELETE", f"/api/v1/files/{kept[name]}")
    webui.upload("certificates.md", b"# of an older release", knowledge=bases(webui)[shelf.NAME])

    assert demo.data()["uploaded"] == ["certificates.md", "passports.txt"]
    assert names(webui).count("certificates.md") == 1


def test_it_is_taken_away_without_a_trace(demo: Demo, webui: OpenWebui) -> None:
    """Knowledge base and files; a file that somebody has put in there stays, and what was there before."""
    before = (names(webui), bases(webui))
    demo.data()
    own = webui.upload("my-notes.txt", b"notes of my own", knowledge=bases(webui)[shelf.NAME])

    removed = demo.data("--remove")
    assert sorted(removed["files"]) == sorted(NAMES)
    assert names(webui) == sorted([*before[0], "my-notes.txt"])
    webui.ask("DELETE", f"/api/v1/files/{own}")
    assert (names(webui), bases(webui)) == before
    assert demo.data("--remove")["removed"] is False


def test_a_file_that_open_webui_cannot_take_is_named_with_its_reason(demo: Demo, webui: OpenWebui) -> None:
    """While Open WebUI is set to another embedding address; set right again, the same command goes on from there."""
    before = webui.ask("GET", "/api/v1/retrieval/embedding")
    wrong = {**before, "ollama_config": {"url": "http://127.0.0.1:9", "key": ""}}
    webui.ask("POST", "/api/v1/retrieval/embedding/update", {k: v for k, v in wrong.items() if _sent(k)})
    try:
        error = demo.error()
    finally:
        webui.ask("POST", "/api/v1/retrieval/embedding/update", {k: v for k, v in before.items() if _sent(k)})

    assert error["exit_code"] == 4
    assert "time-off.pdf" in error["message"]
    assert "127.0.0.1:9" in error["message"] or "connect" in error["message"].lower()
    assert demo.data()["uploaded"] == list(NAMES)
    assert names(webui).count("time-off.pdf") == 1


def _sent(name: str) -> bool:
    return name.isupper() or name == "ollama_config"


def test_without_a_stack_it_says_how_to_get_one(command: StackCommand) -> None:
    """Exit status 4, and the command that brings one up."""
    error = command.error("webui", "demo", "--stack", "none-of-that-name")

    assert error["code"] == "not_running"
    assert "embedstack up" in error["advice"]
