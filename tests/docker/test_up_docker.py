"""`embedstack up` and its siblings in containers: the commands as a person types them, a real Ollama, a real bridge."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests

from tests.docker.container_command import in_containers
from tests.docker.images import Images, docker
from tests.stack_command import StackCommand

pytestmark = [pytest.mark.needs("compose", "rootfs", "ollama"), pytest.mark.thorough]

NAME = "es-up"
VOLUMES = {f"{NAME}_ollama", f"{NAME}_bridge-cache"}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, images: Images) -> Iterator[StackCommand]:
    """A command, and no stack yet."""
    with in_containers(tmp_path_factory.mktemp("up"), NAME, images) as command:
        yield command


@pytest.fixture(scope="module")
def stack(empty: StackCommand) -> StackCommand:
    """A stack in containers, up: the table is what a person sees."""
    done = empty.run("up", "--mode", "docker", "--model", "demo", "--no-webui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2560" in done.stdout
    for part, address in (("ollama", empty.ollama), ("bridge", empty.bridge)):
        assert any(line.split()[:3] == [part, "running", address] for line in done.stdout.splitlines()), done.stdout
    return empty


def _owned(kind: str, *options: str) -> set[str]:
    """What the daemon has of this stack."""
    return set(docker(kind, "ls", "--quiet", *options, "--filter", f"label=com.docker.compose.project={NAME}").split())


def test_doctor_before(empty: StackCommand) -> None:
    """Nothing blocks where containers can be started."""
    done = empty.run("doctor", "--mode", "docker", "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)["data"]
    assert answer["mode"] == "docker"
    assert [finding for finding in answer["findings"] if finding["severity"] == "blocker"] == []


def test_dry_run(empty: StackCommand) -> None:
    """What would be done is reported; no container is made for it."""
    reported = empty.data("up", "--dry-run")

    assert (reported["mode"], reported["engine"], reported["parts"]) == ("docker", "ollama", ["ollama", "bridge"])
    assert _owned("container", "--all") == set()


def test_answers(stack: StackCommand) -> None:
    """A client of this machine gets 2560 numbers from the bridge."""
    answer = requests.post(f"{stack.bridge}/api/embed", json={"model": "demo", "input": ["x"]}, timeout=60)

    assert len(answer.json()["embeddings"][0]) == 2560


def test_up_twice_changes_nothing(stack: StackCommand) -> None:
    """The same containers, the proof again, and every step says that it was done before."""
    before = _owned("container")

    again = stack.data("up", "--mode", "docker", "--model", "demo", "--no-webui")

    assert [step for step in again["steps"] if not step["already"]] == []
    assert again["unchanged"] is True
    assert again["proof"]["dimensions"] == 2560
    assert _owned("container") == before


def test_status(stack: StackCommand) -> None:
    """Each part with its address, exit status 0 while all is well."""
    reported = stack.data("status")

    assert (reported["model"], reported["mode"], reported["exit_code"]) == ("demo", "docker", 0)
    assert [(part["name"], part["state"], part["address"]) for part in reported["parts"]] == [
        ("ollama", "running", stack.ollama),
        ("bridge", "running", stack.bridge),
    ]


def test_doctor_beside(stack: StackCommand) -> None:
    """A stack that runs is not in its own way: its ports are its own."""
    reported = stack.data("doctor", "--mode", "docker")

    assert [finding for finding in reported["findings"] if finding["severity"] == "blocker"] == []


def test_logs(stack: StackCommand) -> None:
    """The last lines of a part, and a part that there is not is refused."""
    lines = stack.run("logs", "bridge", "--lines", "5").stdout.splitlines()

    assert 0 < len(lines) <= 5
    assert all(line.startswith("bridge-1") for line in lines)
    assert "it has ollama, bridge" in stack.error("logs", "bridges")["message"]


def test_restart(stack: StackCommand) -> None:
    """One part is another process afterwards; `up` waits until it is well."""
    before = stack.pids()
    stack.data("restart", "bridge")

    stack.data("up")

    after = stack.pids()
    assert after["ollama"] == before["ollama"]
    assert after["bridge"] != before["bridge"]


def test_down(stack: StackCommand) -> None:
    """`down` leaves the volumes, from which `up` comes back; with `--volumes` nothing of the stack is left."""
    reported = stack.data("down")

    assert reported["stopped"] == ["ollama", "bridge"]
    assert _owned("container", "--all") == set()
    assert _owned("volume") == VOLUMES
    assert stack.run("status").returncode == 4

    back = stack.data("up")
    assert {step["name"]: step["already"] for step in back["steps"]}["model in Ollama"] is True

    stack.data("down", "--volumes", "--yes")
    assert [_owned(kind) for kind in ("container", "volume", "network")] == [set(), set(), set()]
