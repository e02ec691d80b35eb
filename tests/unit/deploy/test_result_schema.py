"""The JSON envelope against its schema, which is part of the package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from embedstack.deploy import config_verbs, console, errors, places, secrets
from embedstack.deploy.cli import bridge as commands
from embedstack.deploy.cli.app import app
from embedstack.deploy.config import load
from embedstack.deploy.errors import DeployError

SCHEMA = json.loads((files("embedstack.deploy") / "result.schema.json").read_text(encoding="utf-8"))
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DeployError)]
GOOD = {"schema": 1, "command": "config show", "ok": True, "data": {}}
BAD = {
    "schema": 1,
    "command": "up",
    "ok": False,
    "error": {"code": "blocked", "message": "m", "advice": "", "exit_code": 3},
}


def _verbs(group: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that can be typed, as `config show`."""
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _verbs(command, f"{name}{word} ")
        else:
            yield f"{name}{word}", command


VERBS = dict(_verbs(typer.main.get_command(app)))


def _options(verb: str) -> set[str]:
    return {option for param in VERBS[verb].params for option in param.opts}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings and no stack of the machine are in reach."""
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CONFIG_HOME", "EMBEDSTACK_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


def _check(document: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(document)
    Draft202012Validator(SCHEMA).validate(answer)
    return answer


def test_the_schema_is_one() -> None:
    """It is a valid schema of its own draft, for the version that is written."""
    Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["properties"]["schema"]["const"] == console.SCHEMA


@pytest.mark.parametrize(
    ("command", "argv", "exit_code"),
    [
        ("version", [], 0),
        ("model modelfile", ["m.gguf"], 0),
        ("model modelfile", ["m.gguf", "--model", "none"], 1),
        ("model demo", [], 3),
        ("cache stats", ["--url", "http://127.0.0.1:1"], 4),
        ("cache clear", ["--url", "http://127.0.0.1:1"], 4),
    ],
)
def test_what_a_verb_prints_fits_the_schema(command: str, argv: list[str], exit_code: int) -> None:
    """Done or refused, with --json standard output is one document of this shape, and of that verb."""
    outcome = CliRunner().invoke(
        app, [*command.split(), *argv, "--json"], env={"EMBEDSTACK_CACHE": "/proc/no-such-folder"}
    )

    output = _check(outcome.stdout)
    assert (command, exit_code == 0) == (output["command"], output["ok"])
    assert exit_code == outcome.exit_code


@pytest.mark.parametrize("verb", VERBS, ids=str)
def test_every_verb_has_json_and_an_example(verb: str) -> None:
    """Scripts need not know which verb they are dealing with, and nobody has to guess how one is typed."""
    assert "--json" in _options(verb)
    assert f"Example: embedstack {verb}" in (VERBS[verb].epilog or "") or "$(embedstack" in VERBS[verb].epilog


@pytest.mark.parametrize("verb", [verb for verb in VERBS if "--set" in _options(verb)], ids=str)
def test_a_verb_that_takes_settings_refuses_a_wrong_one_in_this_shape(verb: str) -> None:
    """Before it does anything: exit status 2, with the setting that was meant."""
    needed = ["x" for param in VERBS[verb].params if param.param_type_name == "argument" and param.required]
    outcome = CliRunner().invoke(app, [*verb.split(), *needed, "--set", "ports.webiu=1", "--json"])

    output = _check(outcome.stdout)
    assert (verb, "invalid_settings") == (output["command"], output["error"]["code"])
    assert "did you mean 'ports.webui'?" in output["error"]["message"]
    assert outcome.exit_code == 2


def test_the_results_of_config_fit_the_schema(tmp_path: Path) -> None:
    """So do the settings, what was set, the texts and the secrets."""
    loaded = load({}, {})
    secrets.ensure(places.places("embedstack"), print)
    fields = {
        "config show": config_verbs.show(loaded),
        "config set": config_verbs.set_values(["hub.cache", "x"], {}, tmp_path),
        "config example": config_verbs.example(),
        "config secrets": config_verbs.show_secrets("embedstack", print),
        "config systemd": config_verbs.user_unit(loaded, {}, tmp_path),
        "completion": commands.completion("bash"),
    }

    assert [_check(console.success(name, data))["command"] for name, data in fields.items()] == list(fields)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_fits_the_schema(kind: type[DeployError]) -> None:
    """Code, message, advice and exit status, whatever went wrong."""
    reported = _check(console.failure("model pull", kind("What.", "Next.")))

    assert reported["error"] == {"code": kind.code, "message": "What.", "advice": "Next.", "exit_code": kind.exit_code}


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"schema": None},
        {"command": ""},
        {"command": "up; rm"},
        {"ok": "yes"},
        {"ok": not GOOD["ok"]},
        {"data": None},
        {"error": BAD["error"]},
    ],
    ids=str,
)
def test_the_schema_refuses_what_is_no_envelope(change: dict[str, object]) -> None:
    """It is not so wide that anything would fit: one field changed is enough."""
    schema = Draft202012Validator(SCHEMA)

    assert schema.is_valid(GOOD)
    assert schema.is_valid({**GOOD, "new": 1})
    assert schema.is_valid(BAD)
    assert not schema.is_valid({**GOOD, **change})
    assert not schema.is_valid({**BAD, "error": {"code": "blocked"}})
