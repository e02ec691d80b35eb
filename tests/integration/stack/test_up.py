"""`embedstack up` and its siblings, natively: the commands as a person types them, the demo model, the real bridge."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import requests

from tests.stack_command import StackCommand, stack_command
from tests.upstreams.load import wait_until

pytestmark = pytest.mark.thorough  # test_first_up.py has what `make test` runs


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackCommand]:
    """A stack with the embedded engine, up."""
    with stack_command(tmp_path_factory.mktemp("up")) as command:
        command.data("up")
        yield command


def _supervisor(stack: StackCommand) -> psutil.Process:
    root = stack.environment["EMBEDSTACK_HOME"]
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "embedstack.deploy.native" in (process.info["cmdline"] or [])
        and any(root in word for word in process.info["cmdline"])
    ]
    return found[0]


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _dimensions(stack: StackCommand) -> int:
    answer = requests.post(f"{stack.bridge}/api/embed", json={"model": "demo", "input": ["x"]}, timeout=60)
    return len(answer.json()["embeddings"][0])


def test_up_twice_changes_nothing(stack: StackCommand) -> None:
    """The same processes, and every step says that it was done before."""
    before = stack.pids()

    again = [stack.data("up") for _ in range(3)]

    assert all(one["unchanged"] is True for one in again)
    assert min(one["seconds"] for one in again) < 3  # the best, since machines are busy
    assert [step for one in again for step in one["steps"] if not step["already"]] == []
    assert stack.pids() == before


def test_only_the_toolkit_knows_the_bridges_admin_key(stack: StackCommand) -> None:
    """`trace` and `cache` look into the stack's bridge; others on this machine may embed, and look at nothing.
    The key stands in a file of its user's alone and in no variable.
    """
    assert _dimensions(stack) == 2560
    assert requests.get(f"{stack.bridge}/v1/trace", timeout=10).status_code == 403

    last = stack.data("trace", "--once", "--last", "1")["records"][0]
    assert (last["door"], last["model"], last["role"], last["source"]) == ("ollama", "demo", "document", "default")
    assert stack.data("cache", "stats")["disk"]["state"] == "on"
    assert stack.error("cache", "stats", "--url", f"{stack.bridge}/", "--key", "wrong")["code"] == "bridge_refused"

    key = stack.data("config", "secrets")["secrets"]["bridge_admin_key"]
    root = Path(stack.environment["EMBEDSTACK_HOME"]) / "stacks" / "embedstack"
    file = root / "run" / "bridge-admin.key"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (key, 0o600)
    assert key not in str(psutil.Process(stack.pids()["bridge"]).environ())


def test_another_mode_is_refused_while_the_stack_runs(stack: StackCommand) -> None:
    """Nobody would stop the old parts any more: `down` first. `auto` takes the mode in which it runs."""
    refused = stack.error("up", "--mode", "docker")

    assert (refused["code"], "embedstack down" in refused["advice"]) == ("blocked", True)
    assert stack.data("up", "--mode", "auto")["reason"] == "it runs so"


def test_a_smoke_test_that_was_not_passed_is_made_again(stack: StackCommand) -> None:
    """Even where every other step was done: a record without a proof is one of an `up` that was cut."""
    file = Path(stack.environment["EMBEDSTACK_HOME"]) / "stacks" / "embedstack" / "plan.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "proved": False}))

    again = stack.data("up")

    assert [step["name"] for step in again["steps"] if not step["already"]] == ["smoke test of demo"]
    assert stack.data("up")["unchanged"] is True


def test_a_changed_setting_starts_again_what_it_concerns(tmp_path: Path) -> None:
    """A bridge with other threads is another process; `up` says that something was done."""
    with stack_command(tmp_path) as command:
        command.data("up")
        before = command.pids()

        changed = command.data("up", EMBEDSTACK_ENGINE_THREADS="2")

        assert changed["unchanged"] is False
        assert command.pids()["bridge"] != before["bridge"]


def test_status_tells_each_part(stack: StackCommand) -> None:
    """Name, state, address and process, with exit status 0 while all is well."""
    reported = stack.data("status")

    assert (reported["model"], reported["mode"], reported["exit_code"]) == ("demo", "native", 0)
    assert [(part["name"], part["state"], part["address"]) for part in reported["parts"]] == [
        ("bridge", "running", stack.bridge)
    ]


def test_logs_are_those_of_the_parts(stack: StackCommand) -> None:
    """The last lines, each with its part's name; a part that is none is refused."""
    lines = stack.run("logs", "bridge", "--lines", "500").stdout

    assert "bridge | " in lines
    assert "serves demo at f16" in lines
    assert "bridge" in stack.error("logs", "no-such-part")["advice"]


def test_a_killed_part_is_started_again(stack: StackCommand) -> None:
    """`kill -9` of the bridge: another one answers, and status counts the restart."""
    before = stack.pids()["bridge"]

    os.kill(before, signal.SIGKILL)
    wait_until(lambda: stack.pids().get("bridge", before) != before, within=60, what="another bridge")

    assert _dimensions(stack) == 2560
    assert stack.data("status")["parts"][0]["restarts"] == 1


def test_a_killed_supervisor_is_reported_and_repaired_by_up(stack: StackCommand) -> None:
    """The bridge goes on meanwhile; status names the supervisor as failed and exits 4; `up` repairs just that."""
    before = stack.pids()

    _supervisor(stack).kill()
    wait_until(lambda: stack.run("status").returncode == 4, within=20, what="status to tell it")
    answer = {part["name"]: part["state"] for part in json.loads(stack.run("status", "--json").stdout)["data"]["parts"]}
    assert answer == {"supervisor": "failed", "bridge": "running"}
    assert _dimensions(stack) == 2560
    stack.data("up")

    assert stack.pids() == before
    assert stack.run("status").returncode == 0


def test_restart_starts_a_part_again(stack: StackCommand) -> None:
    """Another process; a part that is none is refused with those that there are."""
    before = stack.pids()["bridge"]

    stack.data("restart", "bridge")

    assert stack.pids()["bridge"] != before
    assert stack.error("restart", "no-such-part")["code"] == "not_running"


def _open_to_others(path: Path) -> bool:
    """What has gone since it was listed, as a journal does, is not."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISLNK(mode) and bool(stat.S_IMODE(mode) & 0o077)


def test_what_the_stack_keeps_is_readable_by_its_user_alone(stack: StackCommand) -> None:
    """Secrets, plan and logs 0600, their folders 0700; no secret in anything that is printed."""
    root = Path(stack.environment["EMBEDSTACK_HOME"]) / "stacks" / "embedstack"
    open_to_others = [path for path in (root, *root.rglob("*")) if _open_to_others(path)]
    secrets = stack.data("config", "secrets")["secrets"]
    printed = "".join(
        stack.run(*words).stdout + stack.run(*words).stderr
        for words in (("up",), ("status",), ("logs", "-n", "1000"), ("config", "show", "--sources"), ("doctor",))
    )

    assert open_to_others == []
    assert [name for name, value in secrets.items() if value in printed] == []


def test_down_stops_what_up_started(tmp_path: Path) -> None:
    """No process is left; status ends with 4; data stay; down again is not an error."""
    with stack_command(tmp_path) as command:
        command.data("up")
        pids = [*command.pids().values(), _supervisor(command).pid]

        stopped = command.data("down")

        assert stopped["stopped"] == ["bridge"]
        wait_until(lambda: not any(map(_alive, pids)), within=10, what="their end")
        assert command.run("status").returncode == 4
        assert (Path(command.environment["EMBEDSTACK_HOME"]) / "stacks" / "embedstack" / "data").is_dir()
        assert command.run("down").returncode == 0


def test_a_stack_whose_folder_was_moved_goes_on(tmp_path: Path) -> None:
    """Stopped, moved, and brought up from the new folder: the same secrets, and the vectors that it had computed."""
    with stack_command(tmp_path) as command:
        command.data("up")
        secrets, asked = command.data("config", "secrets"), {"model": "demo", "input": ["annual leave"]}
        requests.post(f"{command.bridge}/api/embed", json=asked, timeout=60).raise_for_status()
        command.data("down")
        (tmp_path / "home").rename(tmp_path / "moved")

        moved = replace(command, environment={**command.environment, "EMBEDSTACK_HOME": str(tmp_path / "moved")})
        try:
            moved.data("up")
            again = requests.post(f"{command.bridge}/api/embed", json=asked, timeout=60)
            assert again.headers["X-Embed-Cache"] == "hit"
            assert moved.data("config", "secrets")["secrets"] == secrets["secrets"]
            assert command.error("status")["code"] == "not_running"
        finally:
            moved.run("down")


def test_down_with_volumes_asks_first(tmp_path: Path) -> None:
    """Without a yes nothing is taken away; with it the stack's folder is gone."""
    with stack_command(tmp_path) as command:
        command.data("up")
        root = Path(command.environment["EMBEDSTACK_HOME"]) / "stacks" / "embedstack"

        refused = command.run("down", "--volumes")
        assert refused.returncode != 0
        assert root.is_dir()
        command.data("down", "--volumes", "--yes")

        assert not root.exists()


def test_a_stack_that_was_never_up_is_none(tmp_path: Path) -> None:
    """status, logs, restart and down say so, and how to bring one up."""
    with stack_command(tmp_path) as command:
        errors = [command.error(*words) for words in (("status",), ("logs",), ("restart",), ("down",))]

    assert {error["code"] for error in errors} == {"not_running"}
    assert all("embedstack up" in error["advice"] for error in errors)


def test_a_dry_run_says_what_would_be_done(tmp_path: Path) -> None:
    """Mode, engine, model, bytes to fetch and parts; nothing is started and no stack is left."""
    with stack_command(tmp_path) as command:
        plan = command.data("up", "--dry-run", "--model", "qwen3-embedding:4b", "--cpu")

        assert (plan["mode"], plan["engine"], plan["model"]) == ("native", "embedded", "qwen3-embedding:4b")
        assert plan["download_bytes"] == 2_496_703_776
        assert command.run("status").returncode == 4


def test_a_taken_port_is_a_blocker_that_names_its_holder(tmp_path: Path) -> None:
    """Exit status 3, before anything is started: who has it, and the setting to change."""
    with stack_command(tmp_path) as command, socket.create_server(("127.0.0.1", command.ports["BRIDGE"])):
        error = command.error("up")

    assert (error["code"], error["exit_code"]) == ("blocked", 3)
    assert f"process {os.getpid()}" in error["message"]
    assert "ports.bridge" in error["advice"]


def test_a_folder_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    """Exit status 3, before anything is made, and the variable that names another."""
    with stack_command(tmp_path) as command:
        error = command.error("up", EMBEDSTACK_HOME="/proc/no-such-folder")

    assert (error["code"], error["exit_code"]) == ("blocked", 3)
    assert "FOLDER-UNWRITABLE" in error["message"]
    assert "EMBEDSTACK_HOME" in error["advice"]


def test_an_interrupted_up_goes_on(tmp_path: Path) -> None:
    """Ctrl-C while the bridge starts ends with 130; the next `up` brings up what was missing."""
    with stack_command(tmp_path) as command:
        process = command.start("up")
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("$ "):  # the bridge is about to start
                process.send_signal(signal.SIGINT)
                break
        process.communicate(timeout=60)

        assert process.returncode == 130
        assert command.data("up")["proof"]["dimensions"] == 2560


def test_the_foreground_ends_with_its_stack(tmp_path: Path) -> None:
    """As under systemd: it stays while the stack runs, and SIGTERM ends both."""
    with stack_command(tmp_path) as command:
        process = command.start("up", "--foreground", "--json")
        assert process.stdout is not None
        message = ""
        while not message.endswith("}\n") or message.count("{") != message.count("}"):
            line = process.stdout.readline()
            assert line, process.communicate(timeout=60)[1]
            message += line
        pids = command.pids()
        process.terminate()
        process.communicate(timeout=60)

        assert json.loads(message)["data"]["proof"]["dimensions"] == 2560
        assert process.returncode == 0
        assert not any(map(_alive, pids.values()))
