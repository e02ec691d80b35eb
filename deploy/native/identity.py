"""Which process is meant: never by its number alone, which another process may have by now."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil

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

    By its time of birth, or by the token: the clock by which births are told moves when the machine's is set, and vLLM
    writes its title over the environment in which the token stands.
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
