"""What is printed while something goes on, where there is no terminal to draw a bar on."""

from __future__ import annotations

import re

import pytest

from embedstack.deploy import console
from embedstack.deploy.console import Report


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
