"""The checks that a GPU's runner makes, with the demo model: they pass where all is right, and fail where it is not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.paths import ROOT
from tests.stacks import Stacks
from tests.upstreams import wrong_bridge as wrongs
from tests.upstreams.wrong_bridge import wrong_bridge

pytestmark = pytest.mark.thorough

FILES = ("tests/gpu/test_answers.py", "tests/gpu/test_throughput.py")


def checked(*arguments: str, url: str | None) -> subprocess.CompletedProcess[str]:
    """`pytest ARGUMENTS` as the runner calls it, of the bridge at `url`."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EMBEDSTACK_", "GPU_SMOKE_", "PYTEST"))
    }
    message = {"GPU_SMOKE_URL": url, "GPU_SMOKE_MODEL": "demo"} if url else {}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**environment, **message}, capture_output=True, text=True, timeout=240, check=False
    )


def test_all_that_needs_no_gpu_passes(stacks: Stacks) -> None:
    """And nothing of it is left out."""
    done = checked(*FILES, url=stacks["embedded"].bridge.url)

    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


def test_a_wrong_bridge_does_not_pass(stacks: Stacks) -> None:
    """One that leaves the instruction before queries out: the checks that see it fail, and the others do not."""
    with wrong_bridge(stacks["embedded"].bridge.url, wrongs.roles_ignored) as url:
        done = checked("tests/gpu/test_answers.py", "-k", "smoke_test", url=url)

    failed = {line.partition("::")[2].partition(" ")[0] for line in done.stdout.splitlines() if "FAILED" in line}
    assert done.returncode == 1
    assert {"test_a_check_of_the_smoke_test[roles", "test_a_check_of_the_smoke_test[query"} <= failed


def test_without_an_address_nothing_is_collected() -> None:
    """`make test` knows nothing of them."""
    done = checked("tests/gpu", url=None)

    assert done.returncode == 5, done.stdout  # pytest's own code for no test
