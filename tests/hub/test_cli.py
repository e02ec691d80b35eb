"""`embedstack model …` as it is typed: the screen and the exit status."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from embedstack.deploy.cli.app import app
from tests.engines.process import free_port

runner = CliRunner()
SMALL = "qwen3-embedding:0.6b"


def test_a_pull_without_a_network_fits_on_a_screen() -> None:
    """Nothing listens at the Hub's address: exit status 5, one screen, no traceback, and the ways on."""
    nowhere = f"http://127.0.0.1:{free_port()}"

    outcome = runner.invoke(app, ["model", "pull", SMALL, "--endpoint", nowhere])

    assert outcome.exit_code == 5
    assert outcome.stdout == ""
    assert len(outcome.stderr.splitlines()) < 20
    assert "Traceback" not in outcome.stderr
    lines = (nowhere, "HF_ENDPOINT", "model import FILE", "make demo")
    assert [name for name in lines if name not in outcome.stderr] == []


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_by_the_librarys_variables(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either variable of the library's keeps the network from being asked; scripts get the code."""
    monkeypatch.setenv(variable, "1")

    outcome = runner.invoke(app, ["model", "pull", SMALL, "--json"])

    error = json.loads(outcome.stdout)["error"]
    assert (outcome.exit_code, error["code"], error["exit_code"]) == (5, "hub_unreachable", 5)


def test_a_mirror_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_ENDPOINT is read when the command runs."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("HF_ENDPOINT", nowhere)

    outcome = runner.invoke(app, ["model", "pull", SMALL])

    assert f"{nowhere} could not be reached" in outcome.stderr


def test_the_list_is_data_for_scripts() -> None:
    """Every file with its size, whether it can be chosen, and where it lies."""
    outcome = runner.invoke(app, ["model", "list", "--json"])

    files = json.loads(outcome.stdout)["data"]["files"]
    four = next(file for file in files if file["model"] == "qwen3-embedding:4b" and file["default"])
    assert (outcome.exit_code, four["bytes"], four["selectable"], four["path"]) == (0, 2496703776, True, None)
