"""How a test's engine process is started, waited for and ended, shown with Python's own little web server."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engines.process import EngineError, children, free_port, process, wait_until_ready
from tests.paths import ROOT
from tests.unit.tests.engines.toy import gone, wait_for

pytestmark = pytest.mark.process

FAMILY = "sleep 600 & echo $$ $! > {pids}; wait"


def both(pids: Path) -> list[int]:
    """The two process ids that FAMILY writes, once they are there."""
    wait_for(lambda: pids.exists() and pids.read_text().endswith("\n"))
    return [int(pid) for pid in pids.read_text().split()]


def test_ready_when_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting ends when the server itself answers 200, whatever proxy is set, and it ends with the block."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    port, log = free_port(), tmp_path / "log"
    argv = [sys.executable, "-u", "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]

    with process(argv, env={}, log=log) as child:
        wait_until_ready(child, f"http://127.0.0.1:{port}/", seconds=20, log=log)
        assert '"GET / HTTP/1.1" 200' in log.read_text()
    assert child.returncode == -signal.SIGTERM


def test_one_that_ends_early_is_an_error_with_its_log(tmp_path: Path) -> None:
    """A server that dies at its start is reported at once, with its exit code and its last words."""
    log = tmp_path / "log"
    began = time.monotonic()

    with (
        process(["/bin/sh", "-c", "echo no such model; exit 7"], env={}, log=log) as child,
        pytest.raises(EngineError, match=r"ended with 7 .*(?s:.*)no such model"),
    ):
        wait_until_ready(child, f"http://127.0.0.1:{free_port()}/", seconds=60, log=log)
    assert time.monotonic() - began < 30


def test_the_reason_is_reported_even_when_it_stands_far_above_the_end(tmp_path: Path) -> None:
    """A line that names an error is quoted though a hundred others follow it."""
    log = tmp_path / "log"

    with (
        process(["/bin/sh", "-c", "echo AssertionError: no weights; seq 100; exit 1"], env={}, log=log) as child,
        pytest.raises(EngineError, match="AssertionError: no weights"),
    ):
        wait_until_ready(child, f"http://127.0.0.1:{free_port()}/", seconds=60, log=log)


def test_one_that_never_answers_is_an_error(tmp_path: Path) -> None:
    """The wait has a bound."""
    log = tmp_path / "log"

    with (
        process(["/bin/sleep", "600"], env={}, log=log) as child,
        pytest.raises(EngineError, match="did not answer 200 within 0 s"),
    ):
        wait_until_ready(child, f"http://127.0.0.1:{free_port()}/", seconds=0.2, log=log)


def test_its_children_end_with_it(tmp_path: Path) -> None:
    """On leaving, the whole process group ends."""
    pids = tmp_path / "pids"

    with process(["/bin/sh", "-c", FAMILY.format(pids=pids)], env={}, log=tmp_path / "log"):
        family = both(pids)
        assert [gone(pid) for pid in family] == [False, False]
    wait_for(lambda: all(gone(pid) for pid in family))


def test_children_of_one_that_was_killed_end_too(tmp_path: Path) -> None:
    """After kill -9 of the server, what it had started is not left behind."""
    pids = tmp_path / "pids"

    with process(["/bin/sh", "-c", FAMILY.format(pids=pids)], env={}, log=tmp_path / "log") as child:
        family = both(pids)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert not gone(family[1])
    wait_for(lambda: gone(family[1]))


def test_one_that_ignores_sigterm_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not listen to SIGTERM gets SIGKILL."""
    monkeypatch.setattr("tests.engines.process.GRACE_S", 0.2)
    pids = tmp_path / "pids"

    with process(["/bin/sh", "-c", f"trap '' TERM; {FAMILY.format(pids=pids)}"], env={}, log=tmp_path / "log") as child:
        family = both(pids)
    assert child.returncode == -signal.SIGKILL
    wait_for(lambda: all(gone(pid) for pid in family))


def test_a_killed_test_run_leaves_no_engine_behind(tmp_path: Path) -> None:
    """After kill -9 of the test process itself, its engine and the engine's children end."""
    pids = tmp_path / "pids"
    program = (
        "import sys, time; from pathlib import Path; from tests.engines.process import process\n"
        "with process(['/bin/sh', '-c', sys.argv[1]], env={}, log=Path(sys.argv[2])):\n"
        "    time.sleep(600)\n"
    )
    argv = [sys.executable, "-c", program, FAMILY.format(pids=pids), str(tmp_path / "log")]
    tests = subprocess.Popen(argv, cwd=ROOT)
    family = both(pids)

    tests.kill()
    tests.wait()
    wait_for(lambda: all(gone(pid) for pid in family))


def test_children_are_found_by_name(tmp_path: Path) -> None:
    """Of a process's children those count whose program has the name."""
    pids = tmp_path / "pids"

    with process(["/bin/sh", "-c", FAMILY.format(pids=pids)], env={}, log=tmp_path / "log") as child:
        family = both(pids)
        wait_for(lambda: children(child.pid, "sleep") == family[1:])
        assert children(child.pid, "sh") == []
