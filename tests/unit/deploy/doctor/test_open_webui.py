"""Open WebUI: settings that differ, and who may reach it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedstack.deploy.doctor import webui
from embedstack.deploy.doctor.examine import CHECKS
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.doctor.webui import Accounts
from embedstack.deploy.native import parts
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Mode
from embedstack.deploy.sites.found import site
from tests.unit.deploy.doctor.stacks import planned, reported

WANTED: dict[str, Any] = {
    "RAG_EMBEDDING_ENGINE": "ollama",
    "RAG_EMBEDDING_MODEL": "qwen3-embedding:4b",
    "ollama_config": {"url": "http://127.0.0.1:11435", "key": "lets-in"},
}


def test_settings_as_wanted_say_nothing() -> None:
    """What it has besides does not matter."""
    assert reported(webui.check({**WANTED, "RAG_TOP_K": 3}, WANTED)) == []


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
    stack = planned({"stack": {"expose": expose}})
    assert reported(webui.check_exposure(stack, Accounts(administrator, sign_up))) == expected


def test_one_that_does_not_run_is_known_by_its_database(tmp_path: Path) -> None:
    """Its first start made the administrator: after a restart of the machine it may be exposed again."""
    machine = Machine(Places(tmp_path))
    assert webui.look_at_accounts(planned(), machine) == Accounts(None, None)

    database = parts.webui_data(machine.places) / "webui.db"
    database.parent.mkdir(parents=True)
    database.touch()
    assert webui.look_at_accounts(planned(), machine) == Accounts(True, None)


@pytest.mark.parametrize(
    ("given", "mode", "version"),
    [
        ({"webui": {"version": "0.13.0"}}, "native", "0.13.0"),
        ({"webui": {"version": "0.13.0"}}, "docker", "0.12.4"),
        ({"images": {"webui": "ghcr.io/open-webui/open-webui:v0.13.1-cuda"}}, "docker", "0.13.1"),
        ({"images": {"webui": "mirror:5000/open-webui:0.13"}}, "docker", "0.13"),
        ({"images": {"webui": "mirror:5000/open-webui:main"}}, "docker", None),
        ({"images": {"webui": "mirror:5000/open-webui"}}, "docker", None),
        ({"images": {"webui": "open-webui@sha256:00"}}, "docker", None),
    ],
)
def test_the_version_that_is_planned(given: dict[str, Any], mode: Mode, version: str | None) -> None:
    """From PyPI as it is set; of an image by its tag, where that is a version."""
    assert site(mode).webui_version(planned(given).settings) == version


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.12.4", []),
        ("0.12", []),
        ("0.13.0", [("WEBUI-UNKNOWN", "warning")]),
        ("0.1.2", [("WEBUI-UNKNOWN", "warning")]),
    ],
)
def test_a_version_that_is_not_known_is_reported(version: str, expected: list[tuple[str, str]]) -> None:
    """By doctor, and by `up` before it begins: both make this check."""
    assert reported(webui.check_version(version)) == expected
    assert reported(webui.check_version(None)) == []

    machine = Machine(Places(Path("/no-such-folder")))
    plan = planned({"webui": {"version": version}}, kind="embedded")
    (check,) = [check for check in CHECKS if check.name == "Open WebUI's version"]
    assert check.before_up
    assert reported(check.run(plan, machine)) == expected
    assert reported(check.run(planned({"webui": {"version": version, "enabled": False}}), machine)) == []
