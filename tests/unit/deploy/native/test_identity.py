"""A process is known by more than its number."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from embedstack.deploy.native import process as identity
from embedstack.deploy.native.process import MARK, Identity
from tests.upstreams.load import wait_until

pytestmark = pytest.mark.process

OURS = secrets.token_hex(8)  # of this run: another on this machine has its own
SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def marked() -> Iterator["subprocess.Popen[str]"]:
    """A process with our token, past its start."""
    environment = {**os.environ, MARK: OURS}
    with subprocess.Popen(SLEEP, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_the_very_process_is_found(marked: "subprocess.Popen[str]") -> None:
    """By number and birth, and, should the machine's clock be set, by its token."""
    who = identity.identify(marked.pid, OURS)
    assert identity.find(who) == psutil.Process(marked.pid)
    assert identity.find(Identity(who.pid, who.created, "lost")) is not None
    assert identity.find(Identity(who.pid, who.created - 3600, OURS)) is not None


def test_another_with_its_number_is_not(marked: "subprocess.Popen[str]") -> None:
    """Neither birth nor token is the same."""
    born = psutil.Process(marked.pid).create_time()
    assert identity.find(Identity(marked.pid, born - 1, "theirs")) is None


def test_one_that_has_ended_is_not(marked: "subprocess.Popen[str]") -> None:
    """Also while nobody has asked for its status: then its number still stands."""
    who = identity.identify(marked.pid, OURS)
    marked.kill()
    os.waitid(os.P_PID, marked.pid, os.WEXITED | os.WNOWAIT)
    assert identity.find(who) is None


def _ended(process: psutil.Process) -> bool:
    """A zombie that is looked at may be gone a moment later."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_it_has_started_is_found_by_the_token_in_whatever_session() -> None:
    """And nothing else: neither its starter nor a process without the token."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], env={**os.environ, MARK: OURS}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        who = identity.identify(process.pid, OURS)
        try:
            assert identity.offspring(who, watched=False) == [child]
            assert identity.offspring(Identity(who.pid, who.created, "theirs"), watched=False) == []
        finally:
            identity.kill_all(identity.offspring(who, watched=False))
            process.kill()
    wait_until(lambda: _ended(child), within=20, what="its end")
