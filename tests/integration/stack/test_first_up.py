"""The first `embedstack up` of a person: what they see when all is well, and without a network."""

from __future__ import annotations

from pathlib import Path

import requests

from tests.stack_command import stack_command


def test_up_ends_with_a_table_a_proof_and_what_to_do_next(tmp_path: Path) -> None:
    """Part, address and state; 2,560 numbers of norm 1; the commands to embed, look and stop."""
    with stack_command(tmp_path) as command:
        done = command.run("up")

        assert done.returncode == 0, done.stderr
        assert f"bridge  running  {command.bridge}" in done.stdout
        assert "/api/embed → 2560 numbers of norm 1.0000" in done.stdout
        assert f"curl {command.bridge}/api/embed" in done.stdout
        assert "embedstack down" in done.stdout
        assert "stand-in" in done.stdout
        answer = requests.post(f"{command.bridge}/api/embed", json={"model": "demo", "input": "x"}, timeout=60)
        assert len(answer.json()["embeddings"][0]) == 2560


def test_without_the_hub_up_says_so_in_one_screen(tmp_path: Path) -> None:
    """Exit status 5; what could not be reached, a mirror, `model import` and `make demo`."""
    with stack_command(tmp_path) as command:
        done = command.run("up", "--model", "qwen3-embedding:4b", "--cpu", "--endpoint", "http://127.0.0.1:9")

    told = done.stderr
    assert done.returncode == 5
    assert "http://127.0.0.1:9 could not be reached" in told
    assert [word for word in ("--endpoint", "model import", "make demo") if word not in told] == []
    assert len(told.splitlines()) < 24
