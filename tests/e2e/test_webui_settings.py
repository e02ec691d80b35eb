"""`embedstack webui status`, `apply`, `password` on a real Open WebUI: the stack's own, and one of somebody else's."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from embedstack.deploy.console import Report
from embedstack.deploy.native import client, protocol
from embedstack.deploy.places import Places
from embedstack.deploy.plan import stores
from tests.e2e.open_webui import OpenWebui, open_webui
from tests.stack_command import StackCommand

UPDATE = "/api/v1/retrieval/embedding/update"
BY_HAND = {
    "RAG_EMBEDDING_ENGINE": "openai",
    "RAG_EMBEDDING_MODEL": "text-embedding-3-small",
    "openai_config": {"url": "http://127.0.0.1:1/v1", "key": ""},
}
WITHOUT_ROLE = dict.fromkeys(stores.ENVIRONMENT, "")


def _status(command: StackCommand, *words: str, **more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Its exit status, and each setting by its name."""
    done = command.run("webui", "status", "--json", *words, **more)
    rows = json.loads(done.stdout)["data"]["settings"]
    return done.returncode, {row["name"]: row for row in rows}


def _places(command: StackCommand) -> Places:
    return Places(Path(command.environment["EMBEDSTACK_HOME"]) / "stacks" / "embedstack")


def _database(command: StackCommand) -> Path:
    return _places(command).data / "open-webui" / "webui.db"


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Somebody else writes to it, as a backup does."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def _differ(rows: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, row in rows.items() if row["differs"]}


def test_what_was_changed_by_hand_is_seen_and_mended(command: StackCommand, webui: OpenWebui) -> None:
    """Engine, model and pace, as a person may leave them in Admin Settings, Documents; done again nothing changes."""
    assert _status(command)[0] == 0
    webui.ask("POST", UPDATE, BY_HAND)
    status, rows = _status(command)
    assert status == 1
    assert rows["RAG_EMBEDDING_MODEL"]["value"] == "text-embedding-3-small"
    assert rows["RAG_EMBEDDING_MODEL"]["came"] == "database"
    assert "model.id: EMBEDSTACK_MODEL_ID" in rows["RAG_EMBEDDING_MODEL"]["wanted"]
    assert {"RAG_EMBEDDING_ENGINE", "RAG_EMBEDDING_BATCH_SIZE"} <= _differ(rows)

    before = command.pids()
    done = command.data("webui", "apply")
    assert _status(command)[0] == 0
    assert {"RAG_EMBEDDING_ENGINE", "RAG_EMBEDDING_MODEL"} <= {each["name"] for each in done["changed"]}
    again = command.data("webui", "apply")
    assert (again["changed"], again["restarted"]) == ([], False)
    assert command.pids() == before


def test_an_environment_that_lacks_the_role_is_mended_by_one_restart(command: StackCommand) -> None:
    """Started without the settings that only the environment carries, and with others that its database overrules."""
    where, report = _places(command), Report("test", as_json=False)
    recorded = protocol.read_record(where)
    assert recorded is not None
    (spec,) = (part.spec for part in recorded.parts if part.spec.name == "open-webui")
    old = {name: value for name, value in spec.environment.items() if name not in stores.ENVIRONMENT}
    keep = [part.spec.name for part in recorded.parts]
    without = replace(spec, environment={**old, "RAG_EMBEDDING_BATCH_SIZE": "7"})
    client.apply(where, [without], report, keep=keep)
    client.wait_ready(where, ["open-webui"], 180, report)

    status, rows = _status(command)
    assert status == 1
    assert _differ(rows) == set(stores.ENVIRONMENT)
    assert rows[stores.FIELD]["came"] == "environment"
    assert "its environment says 7" in rows["RAG_EMBEDDING_BATCH_SIZE"]["note"]

    assert command.data("webui", "apply")["restarted"]
    assert _status(command)[0] == 0
    before = command.pids()
    assert not command.data("webui", "apply")["restarted"]
    assert command.data("up")["unchanged"]
    assert command.pids() == before


def test_a_locked_database_leaves_all_as_it_was(command: StackCommand, webui: OpenWebui) -> None:
    """Settings and password: each says so, and neither is half-applied, in the database or in what it embeds with."""
    before = webui.ask("GET", "/api/v1/retrieval/embedding")
    knowledge = webui.knowledge("locked")
    webui.upload("holiday.txt", "员工每年享有十五天带薪休假。".encode(), knowledge=knowledge)
    with _locked(_database(command)):
        refused = command.error("webui", "apply", "--set", "ports.bridge=9")  # where nobody answers
        lost = command.error("webui", "password")

    assert refused["code"] == "webui_refused"
    assert "none was changed" in refused["message"]
    assert "database may be locked" in refused["advice"]  # Open WebUI itself says no more than that it failed
    assert webui.ask("GET", "/api/v1/retrieval/embedding") == before
    assert "带薪休假" in webui.found(knowledge, "公司年假政策有哪些?", k=1)[0]
    assert lost["code"] == "part_not_ready"
    assert "database is locked" in lost["message"]
    webui.sign_in(password=command.data("config", "secrets")["secrets"]["webui_admin_password"])


def test_a_lost_password_gets_a_new_one(command: StackCommand, webui: OpenWebui) -> None:
    """Changed in the browser and forgotten: the new one works, `config secrets` has it, old sessions have ended."""
    known = command.data("config", "secrets")["secrets"]["webui_admin_password"]
    webui.ask("POST", "/api/v1/auths/update/password", {"password": known, "new_password": "forgotten"})
    webui.sign_in(password="forgotten")  # noqa: S106
    assert "embedstack webui password" in command.error("webui", "status")["advice"]

    new = command.data("webui", "password")
    assert new["kept"]
    assert command.data("config", "secrets")["secrets"]["webui_admin_password"] == new["password"]
    old = requests.get(
        f"{webui.url}/api/v1/auths/", headers={"Authorization": f"Bearer {webui.token}"}, timeout=30
    ).status_code
    assert old == 401
    assert _status(command)[0] == 0
    assert new["password"] not in command.run("webui", "password", "--email", "nobody@localhost").stderr


def test_somebody_elses_is_set_and_proved(command: StackCommand, tmp_path: Path) -> None:
    """What its API carries is set; that the role does not arrive is seen at the bridge, and the lines that are lacking
    are printed; with those in its environment, all of it is as it should be, though its first start saw another model.
    """
    first = {"RAG_EMBEDDING_MODEL": "another", "RAG_EMBEDDING_BATCH_SIZE": "3"}
    with open_webui(tmp_path / "data", "http://127.0.0.1:1", environ={**WITHOUT_ROLE, **first}) as there:
        words = ("webui", "apply", "--url", there.url, "--json")
        done = command.run(*words, EMBEDSTACK_WEBUI_TOKEN=there.token)
        data = json.loads(done.stdout)["data"]
        assert (done.returncode, data["exit_code"]) == (1, 1)
        assert {"RAG_EMBEDDING_MODEL", "ollama_config.url"} <= {each["name"] for each in data["changed"]}
        assert (data["proof"]["query"]["role"], data["proof"]["query"]["source"]) == ("document", "default")
        assert there.ask("GET", "/api/v1/files/")["items"] == []
        plain = command.run(*words[:-1], EMBEDSTACK_WEBUI_TOKEN=there.token).stdout
        assert set(data["environment"]) <= set(plain.splitlines())
        refused = command.error(*words[:-1], "--token", "eyJ.of.another")
        assert (refused["code"], refused["exit_code"]) == ("webui_refused", 4)
        status, rows = _status(command, "--url", there.url, EMBEDSTACK_WEBUI_TOKEN=there.token)
        assert status == 0
        assert rows[stores.FIELD]["came"] == "unseen"

    set_there = dict(line.split("=", 1) for line in data["environment"])
    with open_webui(tmp_path / "data", "http://127.0.0.1:1", environ={**first, **set_there}) as there:
        done = command.run("webui", "apply", "--url", there.url, "--json", EMBEDSTACK_WEBUI_TOKEN=there.token)
        data = json.loads(done.stdout)["data"]
        assert (done.returncode, data["changed"]) == (0, [])
        assert [data["proof"][kind]["role"] for kind in ("document", "query")] == ["document", "query"]
        assert "input_type" in data["proof"]["query"]["source"]


def _validity(command: StackCommand, *words: str, **more: str) -> dict[str, Any]:
    """What `webui status` says of the index."""
    answer: dict[str, Any] = json.loads(command.run("webui", "status", "--json", *words, **more).stdout)["data"][
        "index"
    ]
    return answer


def test_whether_to_reindex_is_answered_for_somebody_elses(command: StackCommand, tmp_path: Path) -> None:
    """Of an Open WebUI that no stack started, before anything is set: nothing indexed, the same model behind another
    address, another model noted with a chunk, a model of another size, and a bridge that does not answer.
    """
    with open_webui(tmp_path / "data", command.bridge, environ=WITHOUT_ROLE) as there:
        at = {"EMBEDSTACK_WEBUI_TOKEN": there.token}
        words = ("--url", there.url)
        assert _validity(command, *words, **at)["answer"] == "empty"

        there.upload("holiday.txt", "员工每年享有十五天带薪休假。".encode(), knowledge=there.knowledge("handbook"))
        same = _validity(command, *words, **at)
        assert (same["answer"], same["indexed"]["files"]) == ("valid", 1)
        assert "demo (ollama) made every chunk" in same["reason"]
        assert "f16" in same["reason"]
        plain = command.run("webui", "status", *words, **at).stdout
        assert "Do I have to reindex? no: demo (ollama)" in " ".join(plain.split())

        smaller = _validity(command, *words, "--set", "model.dimensions=1024", **at)
        assert (smaller["answer"], "demo@1024" in smaller["reason"]) == ("reindex", True)
        away = _validity(command, *words, "--bridge-here", "http://127.0.0.1:9", "--bridge", command.bridge, **at)
        assert (away["answer"], "--bridge-here" in away["next"]) == ("unknown", True)

        is_set = there.ask("GET", "/api/v1/retrieval/embedding")
        by_hand = {name: value for name, value in is_set.items() if name.isupper()} | {
            "ollama_config": is_set["ollama_config"],
            "RAG_EMBEDDING_MODEL": "demo:latest",
        }
        there.ask("POST", UPDATE, by_hand)
        there.upload("travel.txt", b"Trains are booked in second class.", knowledge=there.knowledge("travel"))
        there.ask("POST", UPDATE, by_hand | {"RAG_EMBEDDING_MODEL": "demo"})
        mixed = _validity(command, *words, **at)
        assert (mixed["answer"], "1 of 2 with demo:latest (ollama)" in mixed["reason"]) == ("reindex", True)


@pytest.mark.parametrize(("prefix", "answer"), [("", "valid"), ("A remark on trains, visas and salaries: ", "unknown")])
def test_scores_show_what_an_index_was_made_with(
    command: StackCommand, tmp_path: Path, prefix: str, answer: str
) -> None:
    """Of a file of several chunks: made with what the bridge makes, Open WebUI's scores are those of the bridge's
    vectors; with a text before each document, which it notes nowhere, they are not.
    """
    own = WITHOUT_ROLE | {"RAG_EMBEDDING_CONTENT_PREFIX": prefix}
    words = ("travel by train", "annual leave", "lost passports", "salaries are paid monthly", "visas for a visit")
    text = "\n\n".join(f"# {one}\n\n" + f"About {one}, number {at}. " * 4 for at, one in enumerate(words))
    with open_webui(tmp_path / "data", command.bridge, environ=own) as there:
        there.upload("handbook.md", text.encode(), knowledge=there.knowledge("handbook"))
        found = _validity(command, "--url", there.url, EMBEDSTACK_WEBUI_TOKEN=there.token)

    assert (answer, "are not those" in found["reason"]) == (found["answer"], answer == "unknown"), found
    assert "chunks" in found["reason"]


def test_whether_to_reindex_is_answered_for_the_stacks_own(command: StackCommand, webui: OpenWebui) -> None:
    """What `up` recorded of the index decides; where another model is asked for, what to do first is said instead."""
    webui.upload("passports.txt", b"Passports are kept by the front desk.", knowledge=webui.knowledge("desk"))

    assert _validity(command)["answer"] == "valid"
    smaller = _validity(command, "--set", "model.dimensions=1024")
    assert (smaller["answer"], "dimensions 2560, now 1024" in smaller["reason"]) == ("reindex", True)


def test_what_is_no_open_webui_is_called_so(command: StackCommand) -> None:
    """The bridge's own address in its place."""
    refused = command.error("webui", "apply", "--url", command.bridge, "--token", "x")

    assert refused["code"] == "part_not_ready"
    assert "is not an Open WebUI" in refused["message"]


def test_open_says_where_it_is(command: StackCommand) -> None:
    """The address, and as whom."""
    reported = command.data("webui", "open")

    assert (reported["url"], reported["account"]) == (command.webui, "admin@localhost")


@pytest.mark.parametrize("verb", ["status", "apply", "open", "password"])
def test_no_stack_is_reported_as_such(command: StackCommand, verb: str) -> None:
    """Before anything is asked."""
    assert command.error("webui", verb, "--stack", "none")["code"] == "not_running"
