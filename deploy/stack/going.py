"""An `up` that goes on: which step it is at, and since when, for anyone who asks meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace

import msgspec
import psutil

from embedstack.deploy.errors import FolderNotUsable
from embedstack.deploy.native import process
from embedstack.deploy.native.process import Identity
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Mode, Plan
from embedstack.host import files
from embedstack.readers import json_file
from embedstack.readers.content import DamagedFile

EVERY = 1.0  # seconds between two writings of how far a step is


@dataclass(frozen=True)
class Moved:
    """How far what a step fetches or installs is: `done` bytes of `total`, None where nobody knows. `since`: when it
    began, in seconds since 1970.
    """

    what: str
    done: int
    total: int | None
    since: float


@dataclass(frozen=True)
class Going:
    """What an `up` is at.

    Attributes:
        began: when it began, in seconds since 1970.
        since: when its step did.
        who: its process.
        moved: None where its step fetches nothing.
    """

    stack: str
    mode: Mode
    model: str
    step: str
    began: float
    since: float
    who: Identity
    moved: Moved | None = None


def read(places: Places) -> Going | None:
    """None where none goes on: one that was killed does not, whatever it has left."""
    try:
        found = json_file.read(places.going, Going)
    except (OSError, DamagedFile):
        return None
    return found if process.find(found.who) else None


class Telling:
    """Writes down what an `up` is at."""

    def __init__(self, places: Places, going: Going) -> None:
        self._places, self._going = places, going
        self._written = 0.0

    def step(self, name: str) -> None:
        """A step begins. FolderNotUsable."""
        self._going = replace(self._going, step=name, since=time.time(), moved=None)
        try:
            self._write()
        except OSError as error:
            raise FolderNotUsable(
                f"{self._places.root} cannot be written: {error.strerror}.", "Name another folder in EMBEDSTACK_HOME."
            ) from error

    def moved(self, what: str, done: int, total: int | None) -> None:
        """The step has got so far: written once a second, and nothing fails by it."""
        before = self._going.moved
        since = before.since if before and before.what == what else time.time()
        self._going = replace(self._going, moved=Moved(what, done, total, since))
        if time.monotonic() - self._written >= EVERY:
            with suppress(OSError):
                self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        files.write(self._places.going, msgspec.json.encode(asdict(self._going)))


@contextmanager
def recorded(places: Places, plan: Plan) -> Iterator[Telling]:
    """What the block is at can be read meanwhile; it says each step."""
    now = time.time()
    own = Identity(os.getpid(), psutil.Process().create_time(), process.new_token())
    try:
        yield Telling(places, Going(plan.settings.stack.name, plan.mode, plan.served.name, "", now, now, own))
    finally:
        with suppress(OSError):
            places.going.unlink(missing_ok=True)
