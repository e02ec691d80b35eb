"""What a stack that runs, or does not, advises: taken out of what is printed, followed as it stands there, works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.followed import Said
from tests.stack_command import StackCommand, stack_command

pytestmark = pytest.mark.thorough  # tests/unit/deploy/test_advice_followed.py follows the same by dry runs


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[tuple[StackCommand, tuple[str, ...]]]:
    """A command without a setting in its environment, and the flags that say them; nothing is up."""
    with stack_command(tmp_path) as given:
        yield given.by_flags()


def _said(command: StackCommand, *words: str) -> Said:
    done = command.run(*words)
    return Said(done.returncode, done.stdout + done.stderr)


def _good(command: StackCommand, *words: str) -> Said:
    said = _said(command, *words)
    assert said.status == 0, said.text
    return said


def test_each_advice_on_a_stacks_way_works(stack: tuple[StackCommand, tuple[str, ...]]) -> None:
    """From none to one that runs; beside another; stopped; with its supervisor killed and with its files damaged."""
    command, flags = stack
    root = Path(command.environment["EMBEDSTACK_HOME"]) / "stacks" / "embedstack"

    up = _good(command, *_said(command, "status").advised("`embedstack up` brings one up").command(), *flags)
    for words in up.advised("Look:   ").commands():
        _good(command, *words)

    refused = _said(command, "up", "--stack", "two", *flags)
    _good(command, *refused.advised("`embedstack down --stack 77`").commands()[-1])
    _good(command, "up", "--dry-run", "--stack", "two", *flags)

    none = _said(command, "status")
    _good(command, *none.advised("It does not run; `embedstack up` starts it.").command())
    _good(command, "status")

    _kill_supervisor(root)
    killed = _said(command, "status")
    _good(command, *killed.advised("killed; the parts go on, `embedstack up` starts another").command())
    _good(command, "status")

    other = _said(command, "up", "--dry-run", "--mode", "docker").advised("Stop it first: `embedstack down`. Its data")
    _good(command, *other.command())
    assert other.text not in _said(command, "up", "--dry-run", "--mode", "docker").text

    (root / "secrets.yaml").write_bytes(b"\xff")
    (root / "plan.json").write_bytes(b"\xff")
    damaged = _said(command, "config", "secrets").advised("then makes new secrets")
    damaged.path("move").unlink()
    record = _said(command, "status").advised("puts it aside and writes it again")
    assert record.command() == damaged.command()
    up = _good(command, *damaged.command())
    _good(command, "status")
    _good(command, "config", "secrets")

    _good(command, *up.advised("Stop:   ").command())
    assert command.error("cache", "stats")["code"] == "bridge_refused"


def _kill_supervisor(root: Path) -> None:
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "embedstack.deploy.native" in words and str(root) in words:
            process.kill()
            process.wait(10)
