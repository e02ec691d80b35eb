"""What goes over the supervisor's socket: one JSON line there, one back. Pure.

Where the supervisor's socket is.

One request to the supervisor of a stack.

What the supervisor knows, on disk, so that the one after it finds the parts. 0600, since specs hold secrets.
"""

import hashlib
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from embedstack.deploy.errors import FolderNotUsable, PartNotReady
from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.native.process import Identity
from embedstack.deploy.places import Places
from embedstack.deploy.state import PartState
from embedstack.host import files
from embedstack.readers import json_file
from embedstack.readers.content import Damaged

LONGEST = 4_000_000  # bytes of a line


@dataclass(frozen=True)
class Request:
    """Something to do.

    Attributes:
        specs: for `apply`, what is to run.
        names: for `restart`, which parts; for `apply`, which others are left as they are.
    """

    do: Literal["status", "apply", "restart", "shutdown"]
    specs: tuple[PartSpec, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """The parts after a request, and what it has changed, by name. `error`: why nothing was done."""

    pid: int
    parts: tuple[PartState, ...] = ()
    started: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    error: str = ""


def encode(message: Request | Reply) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def request(line: bytes) -> Request:
    """Damaged for a line that is none."""
    return json_file.decode(line, Request)


def reply(line: bytes) -> Reply:
    """Damaged for a line that is none."""
    return json_file.decode(line, Reply)


LONGEST_PATH = 100  # bytes; Linux takes 107 and macOS 103
# Not TMPDIR, which may be too long itself: every later command finds the socket, whatever its environment.
_SHORT = Path("/tmp")  # noqa: S108 -- the folder in it is 0700, and its owner is checked


def socket_path(places: Places) -> Path:
    """In the stack's folder; where that is too long for a socket, under a short name in a folder of this user's own.

    FolderNotUsable where another user has taken that folder first: anyone who owns it could answer in our place.
    """
    if len(os.fsencode(places.socket)) <= LONGEST_PATH:
        return places.socket
    folder = _SHORT / f"embedstack-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise FolderNotUsable(
            f"{folder} is not a folder that only this user can use, and {places.socket} is too long for a socket.",
            "Remove it, or set EMBEDSTACK_HOME to a shorter path.",
        )
    return folder / f"{hashlib.sha256(os.fsencode(places.root)).hexdigest()[:16]}.sock"


_LOST = "parts that it named may still run, and then `embedstack up` names the processes on their ports"
ADVICE = "Set EMBEDSTACK_HOME to a folder that this user may read and write."


@dataclass(frozen=True)
class RecordedPart:
    """A part, and its process if it had one."""

    spec: PartSpec
    who: Identity | None = None
    restarts: int = 0


@dataclass(frozen=True)
class SupervisorRecord:
    """A supervisor, and what it keeps running."""

    pid: int
    parts: tuple[RecordedPart, ...] = ()


def record_path(places: Places) -> Path:
    return places.run / "supervisor.json"


def read_record(places: Places) -> SupervisorRecord | None:
    """The record; None where there is none, or a damaged one, which is set aside: what it named is a stranger to us.

    FolderNotUsable where the system does not let it be read.
    """
    try:
        return json_file.read_again(record_path(places), SupervisorRecord, _LOST)
    except NotADirectoryError:
        return None
    except OSError as error:
        raise FolderNotUsable(f"{record_path(places)} cannot be read: {error.strerror or error}.", ADVICE) from error


def write_record(places: Places, record: SupervisorRecord) -> None:
    """At once or not at all. OSError, also where the folder has been removed: it is not made again."""
    places.run.stat()
    files.write(record_path(places), msgspec.json.encode(record))


def remove_record(places: Places) -> None:
    record_path(places).unlink(missing_ok=True)


TIMEOUT = 10.0  # seconds; it answers in milliseconds


def call(places: Places, request: Request) -> Reply | None:
    """Its reply, None where no supervisor listens.

    PartNotReady where it does not answer, or refuses; FolderNotUsable where the system does not let us ask.
    """
    try:
        line = _exchange(str(socket_path(places)), encode(request))
    except (FileNotFoundError, NotADirectoryError, ConnectionError):
        return None
    except TimeoutError as error:
        raise _deaf(places, "does not answer") from error
    except OSError as error:
        raise FolderNotUsable(
            f"The supervisor's socket in {places.run} cannot be used: {error.strerror or error}.", ADVICE
        ) from error
    if not line:  # it ended before it had read the request
        return None
    try:
        answer = reply(line)
    except Damaged as error:
        raise _deaf(places, f"answers as another release would ({error})") from error
    if answer.error:
        raise PartNotReady(f"The supervisor refused: {answer.error}.", "`embedstack status` shows how the parts are.")
    return answer


def _exchange(path: str, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(path)
        connection.sendall(line)
        with connection.makefile("rb") as answer:
            return answer.readline()


def _deaf(places: Places, what: str) -> PartNotReady:
    left = None
    with suppress(FolderNotUsable):
        left = read_record(places)
    number = f" (process {left.pid})" if left else ""
    kill = f"End it with `kill -9 {left.pid}`" if left else "End it"
    return PartNotReady(
        f"The stack's supervisor{number} {what}.",
        f"{kill}; the parts go on, and `embedstack up` starts another supervisor for them.",
    )
