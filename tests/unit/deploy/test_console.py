"""What is printed while something goes on, where there is no terminal to draw a bar on."""

from __future__ import annotations

import re

import pytest
import typer

from embedstack.deploy import advice, console
from embedstack.deploy.console import Report, reporting
from embedstack.deploy.errors import DeployError


@pytest.mark.parametrize(
    ("done", "total", "shown"),
    [
        (5_000_000, 7_000_000, r"Open WebUI: 5 of 7 MB, [\d.]+ MB/s, \d+ s left\n"),
        (7_178_000, 7_000_000, r"Open WebUI: 7 of 7 MB, [\d.]+ MB/s\n"),
        (5_000_000, None, r"Open WebUI: 5 MB, [\d.]+ MB/s\n"),
    ],
)
def test_the_time_left_is_shown_while_there_is_some(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], done: int, total: int | None, shown: str
) -> None:
    """Open WebUI's size is an estimate: 7,178 MB were written where 7,000 were expected."""
    monkeypatch.setattr(console, "PRINT_EVERY", 0.0)
    with Report("up", as_json=True).transfer("Open WebUI", total) as transfer:
        transfer.at(done)

    printed = capsys.readouterr().err
    assert re.fullmatch(shown, printed), printed


def _fails(typed: list[tuple[str, str]]) -> None:
    with reporting("up", as_json=False):
        if typed:
            advice.about("embedstack", typed)
        raise DeployError("It failed.", "Try `embedstack up`.")


def test_what_one_command_was_about_is_no_concern_of_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    """Commands may run in one process, as tests do: the first one's flags are not advised for the second."""
    for typed, advised in ([("--mode", "native")], "embedstack up --mode native"), ([], "embedstack up"):
        with pytest.raises(typer.Exit):
            _fails(typed)
        assert capsys.readouterr().err.splitlines()[-1] == f"Try `{advised}`."
    assert advice.followable("`embedstack up`") == "`embedstack up`"
