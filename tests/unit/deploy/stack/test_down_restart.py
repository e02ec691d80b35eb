"""`down` asks before it takes data away; `restart` waits, and says how it went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from embedstack.deploy import record
from embedstack.deploy.cli.app import app
from embedstack.deploy.console import Report
from embedstack.deploy.docker import cli, runner
from embedstack.deploy.docker.runner import Containers
from embedstack.deploy.errors import FolderNotUsable
from embedstack.deploy.native import client
from embedstack.deploy.native import protocol as supervised
from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.native.runner import NativeRunner
from embedstack.deploy.places import Places, places
from embedstack.deploy.record import Record
from embedstack.deploy.state import PartState, exit_code

KNOWN = Record("embedstack", "native", "demo", "f16", 2560, "embedded", True, None, "http://127.0.0.1:1", None)
RUNS, STARTS, FAILED = (PartState("bridge", state) for state in ("running", "starting", "failed"))  # type: ignore[arg-type]
OTHER = PartState("open-webui", "starting")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A stack that was brought up, and of which nothing runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CONFIG_HOME", "EMBEDSTACK_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    where = places("embedstack")
    record.write(where, KNOWN)
    return where


@pytest.mark.parametrize(
    ("flags", "typed"), [((), "n\n"), ((), ""), (("--json",), "y\n")], ids=["no", "nobody", "json"]
)
def test_without_a_yes_nothing_is_taken_away(stack: Places, flags: Sequence[str], typed: str) -> None:
    """A no, nobody there to answer, or a script, which is never asked: exit status 3, with --json as an envelope."""
    outcome = CliRunner().invoke(app, ["down", "--volumes", *flags], input=typed)

    assert outcome.exit_code == 3
    assert stack.plan.is_file()
    if flags:
        assert json.loads(outcome.stdout)["error"]["code"] == "blocked"
    else:
        assert "Nothing was taken away." in outcome.stderr


@pytest.mark.usefixtures("stack")
def test_nobody_is_asked_about_a_stack_that_is_none() -> None:
    """There is nothing to take away."""
    outcome = CliRunner().invoke(app, ["down", "--volumes", "--stack", "other"], input="y\n")

    assert outcome.exit_code == 4
    assert "Take away" not in outcome.output


@pytest.mark.parametrize("words", [["--yes"], []], ids=["flag", "answer"])
def test_with_a_yes_the_folder_is_gone(stack: Places, words: list[str]) -> None:
    """By the flag or by the answer."""
    assert CliRunner().invoke(app, ["down", "--volumes", *words], input="y\n").exit_code == 0

    assert not stack.root.exists()


def test_a_folder_that_does_not_go_is_reported(tmp_path: Path) -> None:
    """A link, as to a larger disk, is not followed: what lies there is still there."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "s").symlink_to(tmp_path / "disk")

    with pytest.raises(FolderNotUsable, match="could not be taken away"):
        Places(tmp_path / "s").remove()


@pytest.mark.parametrize(("parts", "code"), [((RUNS,), 0), ((RUNS, OTHER), 4), ((FAILED,), 4), ((), 4)])
def test_the_exit_status_is_that_of_the_worst_part(parts: tuple[PartState, ...], code: int) -> None:
    """One rule for `status` and `restart`."""
    assert exit_code(parts) == code


def test_a_native_part_has_its_own_time_to_be_ready(stack: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM needs longer than the bridge."""
    specs = (PartSpec("vllm", ("vllm",), "/", ready_timeout=900.0), PartSpec("bridge", ("b",), "/", ready_timeout=70.0))
    supervised.write_record(
        stack, supervised.SupervisorRecord(1, tuple(supervised.RecordedPart(spec) for spec in specs))
    )
    waited: list[tuple[Sequence[str], float]] = []
    monkeypatch.setattr(client, "status", lambda _: (PartState("vllm", "running"), RUNS))
    monkeypatch.setattr(client, "restart", lambda *_: None)
    monkeypatch.setattr(client, "wait_ready", lambda _, names, timeout, __: waited.append((names, timeout)))

    NativeRunner(stack, Report("restart", as_json=True)).restart(())

    assert waited == [(("vllm",), 900.0), (("bridge",), 70.0)]


@pytest.mark.parametrize(
    ("names", "looks", "ends"),
    [
        ((), [(STARTS,), (STARTS,), (RUNS,)], (RUNS,)),
        (("bridge",), [(STARTS, OTHER), (RUNS, OTHER)], (RUNS, OTHER)),
        ((), [(STARTS, OTHER), (FAILED, OTHER)], (FAILED, OTHER)),
    ],
    ids=["runs", "named", "failed"],
)
def test_containers_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
    names: Sequence[str],
    looks: list[tuple[PartState, ...]],
    ends: tuple[PartState, ...],
) -> None:
    """Until those that were named run, or one of them has failed."""
    seen: Iterator[tuple[PartState, ...]] = iter([looks[0], *looks] if names else looks)
    monkeypatch.setattr(Containers, "states", lambda _: next(seen))
    monkeypatch.setattr(Containers, "_check", lambda *_: None)
    monkeypatch.setattr(cli, "run", lambda *_: "")
    monkeypatch.setattr(runner, "POLL", 0.0)

    assert Containers("s", Report("restart", as_json=True)).restart(names) == ends


def test_containers_are_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What still starts is reported as it is."""
    monkeypatch.setattr(Containers, "states", lambda _: (STARTS,))
    monkeypatch.setattr(Containers, "_check", lambda *_: None)
    monkeypatch.setattr(cli, "run", lambda *_: "")
    monkeypatch.setattr(runner, "RESTART_TIMEOUT", 0.0)
    monkeypatch.setattr(runner, "POLL", 0.0)

    assert Containers("s", Report("restart", as_json=True)).restart(()) == (STARTS,)
