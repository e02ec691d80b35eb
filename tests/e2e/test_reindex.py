"""A change that would break Open WebUI's index is refused, or everything is embedded again, counted and asked."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.e2e.open_webui import OpenWebui
from tests.stack_command import StackCommand, stack_command

LONG = " ".join(f"Paragraph {number} of the long text, about travel." for number in range(300))
HOLIDAY = "员工每年享有十五天带薪休假。".encode()
SMALLER = ("--set", "model.dimensions=1024")
MOST = 6000  # bytes of one text that this stack's bridge takes: a chunk is smaller unless Open WebUI is set otherwise


@dataclass(frozen=True)
class Indexed:
    """A stack whose Open WebUI has two knowledge bases with a file each, and a file that is attached to a chat."""

    command: StackCommand
    webui: OpenWebui
    handbook: str
    travel: str
    attached: str

    def sizes(self) -> dict[str, int]:
        """Numbers in a vector, by collection, as Chroma has them stored."""
        (database,) = self.command.folder.glob("home/stacks/*/data/**/chroma.sqlite3")
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return dict(connection.execute("select name, dimension from collections"))

    def set_to(self, model: str) -> None:
        """As somebody does it by hand in Admin Settings, Documents."""
        is_set = self.webui.ask("GET", "/api/v1/retrieval/embedding")
        fields = {name: value for name, value in is_set.items() if name.isupper()}
        record = {**fields, "RAG_EMBEDDING_MODEL": model, "ollama_config": is_set["ollama_config"]}
        self.webui.ask("POST", "/api/v1/retrieval/embedding/update", record)

    def cut_into(self, characters: int) -> None:
        self.webui.ask("POST", "/api/v1/retrieval/config/update", {"CHUNK_SIZE": characters})


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    folder = tmp_path_factory.mktemp("reindex")
    settings = folder / "embed-bridge.yaml"
    settings.write_text(f"limits: {{text_bytes: {MOST}}}\n")
    more = {"EMBEDSTACK_WEBUI_ENABLED": "true", "EMBEDSTACK_ENGINE_KIND": "embedded"}
    with stack_command(folder, EMBEDSTACK_BRIDGE_CONFIG=str(settings), **more) as command:
        command.data("up")
        webui = OpenWebui(command.webui)
        webui.sign_in(password=command.data("config", "secrets")["secrets"]["webui_admin_password"])
        try:
            handbook, travel = webui.knowledge("handbook"), webui.knowledge("travel")
            webui.upload("holiday.txt", HOLIDAY, knowledge=handbook)
            webui.upload("long.txt", LONG.encode(), knowledge=travel)
            attached = webui.upload("attached.txt", b"Passports are kept by the front desk.")
            yield Indexed(command, webui, handbook, travel, attached)
        finally:
            webui.close()


def test_a_smaller_size_is_refused_and_everything_goes_on(indexed: Indexed) -> None:
    """Before anything is changed: what breaks, what embedding again costs, and the command that does it."""
    error = indexed.command.error("up", *SMALLER)
    assert (error["code"], error["exit_code"]) == ("index_would_break", 6)
    assert "dimensions 2560, now 1024" in error["message"]
    assert "2 knowledge bases, 2 files, 1 file attached to chats" in error["message"]
    assert re.search(r"about \d+ chunks, \d+ (s|min) at [\d.]+ a second", error["message"])
    assert f"`embedstack up --reindex {' '.join(SMALLER)}`" in error["advice"]
    applied = indexed.command.error("webui", "apply", *SMALLER)
    assert f"`embedstack webui apply --reindex {' '.join(SMALLER)}`" in applied["advice"]
    assert "INDEX-MISMATCH" in indexed.command.run("doctor", *SMALLER).stdout
    assert "带薪休假" in indexed.webui.found(indexed.handbook, "公司年假政策有哪些?", k=1)[0]
    assert set(indexed.sizes().values()) == {2560}


def test_a_name_set_by_hand_does_not_spoil_the_index(indexed: Indexed) -> None:
    """The bridge refuses, Open WebUI shows why at the upload, and `up` sets it back."""
    indexed.set_to("demo@1024")
    with pytest.raises(AssertionError, match=r"The index was made with demo at f16, 2560 dimensions"):
        indexed.webui.upload("new.txt", b"A new text.")
    assert not indexed.command.data("up")["unchanged"]
    indexed.webui.upload("new-again.txt", b"A new text, again.", knowledge=indexed.handbook)


def test_with_reindex_it_is_embedded_again(indexed: Indexed) -> None:
    """Counted, asked and stored at the new size; files attached to chats are named, and done if asked for."""
    done = indexed.command.run("up", "--reindex", *SMALLER)
    assert done.returncode == 0, done.stderr
    assert "each counted and asked" in done.stderr
    assert "attached.txt" in done.stderr
    assert "带薪休假" in indexed.webui.found(indexed.handbook, "公司年假政策有哪些?", k=1)[0]
    assert "travel" in indexed.webui.found(indexed.travel, "travel", k=1)[0]
    sizes = indexed.sizes()
    assert (sizes[indexed.handbook], sizes[indexed.travel], sizes["knowledge-bases"]) == (1024, 1024, 1024)
    assert sizes[f"file-{indexed.attached}"] == 2560
    assert indexed.command.data("up", *SMALLER)["unchanged"]

    reported = indexed.command.data("webui", "reindex", "--chat-files", *SMALLER)
    assert {file["name"]: file["renewed"] for file in reported["chat_files"]}["attached.txt"]
    same = {base["name"]: base["vectors"] == base["vectors_before"] for base in reported["bases"]}
    assert same == {"travel": True, "handbook": True}
    assert indexed.sizes()[f"file-{indexed.attached}"] == 1024


def test_whoever_asks_for_the_old_size_is_refused(indexed: Indexed) -> None:
    """Unless it says itself which size it wants."""
    body: dict[str, Any] = {"model": "demo", "input": "a text"}
    refused = requests.post(f"{indexed.command.bridge}/api/embed", json=body, timeout=30)
    assert (refused.status_code, refused.headers["x-embed-error"]) == (409, "index_mismatch")
    wanted = requests.post(f"{indexed.command.bridge}/api/embed", json={**body, "dimensions": 2560}, timeout=30)
    assert (wanted.status_code, len(wanted.json()["embeddings"][0])) == (200, 2560)


def test_a_file_that_fails_is_reported(indexed: Indexed) -> None:
    """Open WebUI answers `true` all the same; what is named as failed has its reason, and mended it goes through."""
    indexed.cut_into(20_000)  # now the long text is one chunk, which the bridge refuses
    done = indexed.command.run("webui", "reindex", "--json", *SMALLER)
    assert done.returncode == 1, done.stdout + done.stderr
    answer = json.loads(done.stdout)["data"]
    ((failed,), silent) = answer["failed"], [base["name"] for base in answer["bases"] if not base["answers"]]
    assert (failed["knowledge"], failed["file"]) == ("travel", "long.txt")
    assert str(MOST) in failed["reason"].replace(",", "")
    assert silent == ["travel"]

    assert "INDEX-UNFINISHED" in indexed.command.run("doctor", *SMALLER).stdout

    indexed.cut_into(1000)
    mended = indexed.command.data("webui", "reindex", *SMALLER)
    assert mended["failed"] == []
    assert "INDEX-" not in indexed.command.run("doctor", *SMALLER).stdout


def test_one_that_no_stack_started(indexed: Indexed) -> None:
    """Asked by its address and a token, without the stack's record; the texts that it keeps are enough."""
    where = ("--url", indexed.webui.url, "--bridge", indexed.command.bridge)
    done = indexed.command.data("webui", "reindex", *where, EMBEDSTACK_WEBUI_TOKEN=indexed.webui.token)
    assert (len(done["bases"]), done["failed"]) == (2, [])
    assert len(list(indexed.command.folder.glob("home/webui/*.json"))) == 1


def test_a_stack_that_was_down_is_refused_too(indexed: Indexed) -> None:
    """Before its Open WebUI is started. Without one nobody's index is at stake, and the bridge answers everybody."""
    assert indexed.command.data("up", "--no-webui", *SMALLER)["parts"]
    body = {"model": "demo", "input": "a text"}
    answer = requests.post(f"{indexed.command.bridge}/api/embed", json=body, timeout=30)
    assert (answer.status_code, len(answer.json()["embeddings"][0])) == (200, 2560)

    error = indexed.command.error("up", "--set", "model.dimensions=2560")
    assert (error["code"], error["exit_code"]) == ("index_would_break", 6)
    assert "dimensions 1024, now 2560" in error["message"]
    assert "open-webui" not in {part["name"] for part in indexed.command.data("status")["parts"]}
    assert indexed.command.data("up")["parts"]  # as it was brought up: its size is remembered
    assert "带薪休假" in indexed.webui.found(indexed.handbook, "公司年假政策有哪些?", k=1)[0]
