"""How Hypothesis searches: the same examples on every run, and no time limit that a busy machine would break. And no
stack of the machine is in reach, nor what it remembers. What starts a process says so: `make test-fast` leaves it out.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from embedstack.deploy import advice

settings.register_profile("embedstack", deadline=None, derandomize=True, database=None)
settings.load_profile("embedstack")

# Python's own names for the ways in which a process is started.
STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}
# `make test-fast` runs neither these nor what wants other engines.
SLOW = ("process", "thorough", "needs")
_started: list[str] = []
sys.addaudithook(lambda event, arguments: _started.append(str(arguments)) if event in STARTS else None)


def pytest_runtest_setup() -> None:
    _started.clear()


@pytest.fixture(autouse=True)
def _processes(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if _started and not any(map(request.node.get_closest_marker, SLOW)):
        pytest.fail(f"it starts a process, and has no @pytest.mark.process: {_started[0]}")


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDSTACK_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A test that leaves a handler of the bridge's behind would have a later one end pytest, with exit status 0."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.fixture(autouse=True)
def _advice() -> Iterator[None]:
    """A test of a part of a command leaves behind what the command was about, which the command itself would end."""
    with advice.one_command():
        yield
