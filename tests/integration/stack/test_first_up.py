"""The first `embedstack up` of a person: what they see when all is well, and without a network."""

from __future__ import annotations

import fcntl
import json
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from embedstack.models.demo.build import default_folder
from tests.stack_command import StackCommand, stack_command
from tests.upstreams.load import wait_until


@dataclass(frozen=True)
class First:
    """A stack that was brought up by flags alone, and what `up` said; `command` gives none of them."""

    command: StackCommand
    flags: tuple[str, ...]
    done: subprocess.CompletedProcess[str]

    def anywhere(self, *words: str) -> dict[str, Any]:
        """The data of a command that is typed in another folder."""
        return replace(self.command, folder=self.command.folder.parent).data(*words)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[First]:
    with stack_command(tmp_path_factory.mktemp("first")) as given:
        command, flags = given.by_flags()
        yield First(command, flags, command.run("up", *flags))


def test_up_ends_with_a_table_a_proof_and_what_to_do_next(first: First) -> None:
    """Part, address and state; 2,560 numbers of norm 1; the commands to embed, look and stop."""
    command, done = first.command, first.done

    assert done.returncode == 0, done.stderr
    assert f"bridge  running  {command.bridge}" in done.stdout
    assert "/api/embed → 2560 numbers of norm 1.0000" in done.stdout
    assert f"curl {command.bridge}/api/embed" in done.stdout
    assert "embedstack down" in done.stdout
    assert "stand-in" in done.stdout
    answer = requests.post(f"{command.bridge}/api/embed", json={"model": "demo", "input": "x"}, timeout=60)
    assert len(answer.json()["embeddings"][0]) == 2560


def test_every_verb_acts_on_the_stack_as_it_was_brought_up(first: First) -> None:
    """None of them is given a flag, and each is typed in another folder: the model, the mode and the ports are those of
    `up`, and what it advises at its end works.
    """
    planned, seen = first.anywhere("up", "--dry-run"), first.anywhere("doctor")

    assert (planned["model"], planned["parts"], planned["download_bytes"]) == ("demo", ["bridge"], 0)
    assert (seen["model"], [one for one in seen["findings"] if one["severity"] != "note"]) == ("demo", [])
    rows = {row["key"]: row for row in first.anywhere("config", "show")["settings"]}
    assert (rows["model.id"]["value"], rows["model.id"]["source"]) == ("demo", "--set of an earlier `up`")
    assert "--set model.id=demo" in first.anywhere("config", "systemd")["text"]
    assert first.anywhere("smoke")["passed"] is True
    assert first.anywhere("status")["parts"][0]["address"] == first.command.bridge
    assert first.anywhere("cache", "stats")["disk"]["state"] == "on"


def test_a_second_up_needs_no_flag(first: First) -> None:
    """The same process, and nothing was left to do."""
    before = first.command.pids()

    again = first.anywhere("up")

    assert (again["model"], again["unchanged"], first.command.pids()) == ("demo", True, before)


def test_a_dry_run_says_what_would_stop_up(first: First) -> None:
    """Of another stack on the same ports; neither it nor an `up` that is refused leaves a folder."""
    home = Path(first.command.environment["EMBEDSTACK_HOME"]) / "stacks"

    planned = first.command.error("up", "--dry-run", "--stack", "two", *first.flags)
    refused = first.command.error("up", "--stack", "two", *first.flags)

    assert (planned["code"], planned["message"]) == ("blocked", refused["message"])
    assert [path.name for path in home.iterdir()] == ["embedstack"]
    assert "is held by the stack embedstack: python -m embedstack.bridge" in refused["message"]
    for error in (planned, refused):
        advised = re.findall(r"`embedstack (up [^`]+)`", error["advice"])[0]
        followed = first.anywhere(*shlex.split(advised), "--dry-run")
        assert (followed["stack"], followed["model"]) == ("two", "demo")


def test_status_says_what_a_first_up_is_at(tmp_path: Path) -> None:
    """While Open WebUI is installed, which takes minutes, and nothing of the stack runs: the step, since when, and
    whose process; once that was ended, there is no stack.
    """
    cache = tmp_path / "cache"
    lock = cache / "open-webui" / ".9.9.9.lock"
    lock.parent.mkdir(parents=True)
    (cache / "models").symlink_to(default_folder().parent)
    more = {"EMBEDSTACK_WEBUI_ENABLED": "true", "EMBEDSTACK_WEBUI_VERSION": "9.9.9", "UV_TORCH_BACKEND": "cpu"}
    with stack_command(tmp_path, EMBEDSTACK_CACHE=str(cache), **more) as command, lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as another command that installs it
        process = command.start("up")
        wait_until(lambda: "environment" in command.run("status").stdout, within=60, what="the step to be reported")

        done = command.run("status", "--json")
        answer = json.loads(done.stdout)["data"]
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]

        assert (done.returncode, answer["model"], answer["parts"]) == (4, "demo", [])
        assert answer["going"]["step"] == "Open WebUI's environment"
        assert answer["going"]["who"]["pid"] == process.pid
        assert process.returncode == 130
        assert "embedstack up` continues from here" in said
        assert command.error("status")["code"] == "not_running"


def test_without_the_hub_up_says_so_in_one_screen(tmp_path: Path) -> None:
    """Exit status 5; what could not be reached, a mirror, `model import` and `make demo`."""
    with stack_command(tmp_path) as command:
        done = command.run("up", "--model", "qwen3-embedding:4b", "--cpu", "--endpoint", "http://127.0.0.1:9")

    output = done.stderr
    assert done.returncode == 5
    assert "http://127.0.0.1:9 could not be reached" in output
    assert [word for word in ("--endpoint", "model import", "make demo") if word not in output] == []
    assert len(output.splitlines()) < 24
