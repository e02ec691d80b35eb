"""Open WebUI: settings that differ, and who may reach it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.doctor import accounts, exposure, webui
from deploy.doctor.exposure import Accounts
from deploy.doctor.machine import Machine
from deploy.native import parts
from deploy.places import Places
from tests.unit.doctor.stacks import intent, told

WANTED: dict[str, Any] = {
    "RAG_EMBEDDING_ENGINE": "ollama",
    "RAG_EMBEDDING_MODEL": "qwen3-embedding:4b",
    "ollama_config": {"url": "http://127.0.0.1:11435", "key": "lets-in"},
}


def test_settings_as_wanted_say_nothing() -> None:
    """What it has besides does not matter."""
    assert told(webui.check({**WANTED, "RAG_TOP_K": 3}, WANTED)) == []


def test_each_difference_is_named_and_no_key() -> None:
    """What it is and what it should be; a key is masked."""
    is_set = {
        **WANTED,
        "RAG_EMBEDDING_MODEL": "nomic-embed-text",
        "ollama_config": {"url": "http://127.0.0.1:11434", "key": "letmein"},
    }
    (found,) = webui.check(is_set, WANTED)

    assert (found.id, found.severity) == ("WEBUI-DIFFERS", "warning")
    assert "RAG_EMBEDDING_MODEL is 'nomic-embed-text', and should be 'qwen3-embedding:4b'" in found.evidence
    assert "ollama_config.url is 'http://127.0.0.1:11434'" in found.evidence
    assert "lets-in" not in str(found)
    assert "letmein" not in str(found)


@pytest.mark.parametrize(
    ("expose", "administrator", "sign_up", "expected"),
    [
        ("none", False, True, []),
        ("webui", True, False, []),
        ("webui", True, None, []),
        ("webui", None, None, [("EXPOSED-NO-ADMIN", "blocker")]),
        ("webui", False, False, [("EXPOSED-NO-ADMIN", "blocker")]),
        ("all", True, True, [("EXPOSED-SIGN-UP", "blocker")]),
        ("webui", False, True, [("EXPOSED-NO-ADMIN", "blocker"), ("EXPOSED-SIGN-UP", "blocker")]),
    ],
)
def test_what_others_reach_has_an_owner(
    expose: str, administrator: bool | None, sign_up: bool | None, expected: list[tuple[str, str]]
) -> None:
    """Refused until an administrator exists and sign-up is off."""
    stack = intent({"stack": {"expose": expose}})
    assert told(exposure.check(stack, Accounts(administrator, sign_up))) == expected


def test_one_that_does_not_run_is_known_by_its_database(tmp_path: Path) -> None:
    """Its first start made the administrator: after a restart of the machine it may be exposed again."""
    machine = Machine(Places(tmp_path))
    assert accounts.look(intent(), machine) == Accounts(None, None)

    database = parts.webui_data(machine.places) / "webui.db"
    database.parent.mkdir(parents=True)
    database.touch()
    assert accounts.look(intent(), machine) == Accounts(True, None)
