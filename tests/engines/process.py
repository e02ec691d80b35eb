"""A server process for a test: started in a session of its own, waited for with a bound, ended whatever happens."""

import contextlib
import http.client
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.engines.buildlog import tail

POLL_S = 0.05
GRACE_S = 5.0
FAILURE_LINES = 30
FAILURE_REASONS = 10
ERROR_LINE = re.compile(r"\b(\w*Error|error|fatal)\b")
# Before it becomes the engine, the shell leaves a keeper behind, in the engine's group but not its child. Its input is
# a pipe from us, which ends when we do, however that happens: then it kills the group and itself with it.
KEPT = """exec 3<&0 </dev/null
((trap '' TERM; read -r reported <&3 || kill -s KILL 0) &)
exec "$@" 3<&-"""


class EngineError(Exception):
    """An engine ended, or was not ready in time; the message has the last lines of its log."""


@dataclass(frozen=True)
class Running:
    """An engine that answers: where, as which process, and where it writes."""

    url: str
    pid: int
    log: Path
    name: str
    version: str


# Below the ports that Linux gives out by itself, so that no connection of anybody's takes one before it is listened on.
PORTS = range(10240, 32768)
_given: set[int] = set()


def free_port() -> int:
    """A TCP port that nobody listens on at 127.0.0.1, and that was not given out before: a stack takes several.

    Each worker of pytest-xdist (gw0, gw1 …) has ports of its own.
    """
    worker, workers = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), _workers()
    while True:
        port = random.SystemRandom().choice(PORTS)  # another run on this machine shall not take the same ones
        if port % workers == worker and port not in _given and _is_free(port):
            _given.add(port)
            return port


def _workers() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """A temporary folder, taken away at the end unless what ran in it failed: then its log is still worth reading."""
    folder = Path(tempfile.mkdtemp(prefix=f"embedstack-{name}-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def process(argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `argv` with exactly `env` and its output in `log`; on leaving, end its whole group: SIGTERM, then SIGKILL."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            ["/bin/sh", "-c", KEPT, "sh", *argv],
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with child:
        try:
            yield child
        finally:
            _end_group(child)


def wait_until_ready(child: subprocess.Popen[bytes], url: str, *, seconds: float, log: Path) -> None:
    """Return once `url` answers 200. EngineError when the process ends first or `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while not _answers(url):
        if child.poll() is not None:
            raise EngineError(_with_log(f"it ended with {child.returncode} before {url} answered", log))
        if time.monotonic() > deadline:
            raise EngineError(_with_log(f"{url} did not answer 200 within {seconds:.0f} s", log))
        time.sleep(POLL_S)


def _answers(url: str) -> bool:
    # A proxy that the person who runs the tests has set is not meant for 127.0.0.1.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return False
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return False


def _with_log(message: str, log: Path) -> str:
    end = tail(log, FAILURE_LINES)
    # vLLM's reason stands a hundred lines before its end, above the tracebacks of the processes that waited for it.
    text = log.read_text(errors="replace") if log.exists() else ""
    errors = [line.strip() for line in text.splitlines() if ERROR_LINE.search(line)]
    reasons = [line for line in dict.fromkeys(errors) if line not in end][:FAILURE_REASONS]
    return "\n".join([message, *reasons, f"the end of {log}:", *end])


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End the group of `child`: those that outlive it too, a grandchild for example after a kill -9 of its parent."""
    _signal_group(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def children(pid: int, name: str) -> list[int]:
    """Process ids of the direct children of `pid` whose program is called `name`, in ascending order."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # pid (comm) state ppid …, where comm may hold anything, brackets and spaces too.
            head, _, rest = status.read_text(errors="replace").rpartition(")")
            if int(rest.split()[1]) == pid and head.partition("(")[2] == name:
                found.append(int(status.parent.name))
    return sorted(found)
