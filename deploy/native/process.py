"""One run of a part: a process that we have started, or one that a supervisor before us has left.

Which process is meant: never by its number alone, which another process may have by now.
"""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from embedstack.deploy.native import logs
from embedstack.deploy.native.part import PartSpec, inherited

MARK = "EMBEDSTACK_PART"  # a variable in the environment of every part and of what it starts
SAME = 0.02  # seconds: start times are counted in hundredths


@dataclass(frozen=True)
class Identity:
    """A process that a supervisor has started.

    Attributes:
        created: when it began, in seconds since 1970.
        token: the value of MARK in its environment, which nobody else has.
    """

    pid: int
    created: float
    token: str


def new_token() -> str:
    return secrets.token_hex(16)


def identify(pid: int, token: str) -> Identity:
    """A process that has just been started; psutil.NoSuchProcess where it is gone already."""
    return Identity(pid, psutil.Process(pid).create_time(), token)


def find(identity: Identity) -> psutil.Process | None:
    """The very process, if it is alive.

    By its time of birth, or by the token: the clock of births moves when the machine's is set, and vLLM writes
    its title over the environment that has the token.
    """
    try:
        process = psutil.Process(identity.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        same = abs(process.create_time() - identity.created) < SAME
        return process if same or _token(process) == identity.token else None
    except psutil.Error:
        return None


def offspring(identity: Identity, *, watched: bool) -> list[psutil.Process]:
    """What the process has started and left behind, itself not among it.

    By the token, and, where it was `watched` until its end a moment ago, by its session: the number of a session cannot
    be used again while one of it lives. After longer it might be a stranger's.
    """
    own = os.getpid()
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in (own, identity.pid) and _belongs(process, identity, watched)
    ]


def _belongs(process: psutil.Process, identity: Identity, watched: bool) -> bool:
    with suppress(psutil.Error, OSError):
        if process.uids().real != os.getuid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return (watched and os.getsid(process.pid) == identity.pid) or _token(process) == identity.token
    return False


def _token(process: psutil.Process) -> str | None:
    with suppress(psutil.Error, OSError):
        return process.environ().get(MARK)
    return None


def kill_all(processes: list[psutil.Process]) -> None:
    """SIGKILL; psutil makes sure that each is still the process that it was when it was found."""
    for process in _alive(processes):
        with suppress(psutil.Error):
            process.kill()


def _alive(processes: list[psutil.Process]) -> Iterator[psutil.Process]:
    return (process for process in processes if process.is_running())


class Run:
    """A process from its start to its end. `process` is None where it is not our child."""

    def __init__(self, who: Identity, process: "subprocess.Popen[bytes] | None") -> None:
        self.who = who
        self._process = process
        self._found = find(who)
        self._began = time.monotonic()

    @classmethod
    def start(cls, spec: PartSpec, log: Path, environ: Mapping[str, str]) -> "Run":
        """Start it in a session of its own, writing to `log` itself: it must outlive us. OSError where it cannot."""
        token = new_token()
        with logs.opened(log) as output:
            process = subprocess.Popen(
                spec.argv,
                cwd=spec.cwd,
                env={**inherited(environ), **spec.environment, MARK: token},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(identify(process.pid, token), process)

    @classmethod
    def adopt(cls, who: Identity) -> "Run | None":
        """The process, if it still runs; what it has left is ended if it does not."""
        run = cls(who, None)
        if run.alive():
            return run
        kill_all(offspring(who, watched=False))
        return None

    def alive(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        with suppress(psutil.Error):
            return self._found is not None and self._found.is_running() and self._found.status() != psutil.STATUS_ZOMBIE
        return False

    @property
    def lasted(self) -> float:
        """Seconds that it has been watched over."""
        return time.monotonic() - self._began

    @property
    def ending(self) -> str:
        """How it ended."""
        if self._process is None or self._process.returncode is None:
            return "it ended"
        code = self._process.returncode
        return f"it ended with status {code}" if code >= 0 else f"it was killed by signal {-code}"

    def terminate(self) -> None:
        """Ask it to end; it ends its own children."""
        self._signal("terminate")

    def kill(self) -> None:
        self._signal("kill")

    def sweep(self) -> None:
        """End what it has left behind, once it has ended itself."""
        kill_all(offspring(self.who, watched=True))

    def _signal(self, how: str) -> None:
        # Popen and psutil both make sure that the number is still that of the process that was started.
        with suppress(psutil.Error, ProcessLookupError):
            getattr(self._process or self._found, how)()
