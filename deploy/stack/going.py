"""An `up` that goes on: which step it is at, and since when, for whoever asks meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
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


@dataclass(frozen=True)
class Going:
    """What an `up` is at.

    Attributes:
        began: when it began, in seconds since 1970.
        since: when its step did.
        who: its process.
    """

    stack: str
    mode: Mode
    model: str
    step: str
    began: float
    since: float
    who: Identity


def read(places: Places) -> Going | None:
    """None where none goes on: one that was killed does not, whatever it has left."""
    try:
        found = json_file.read(places.going, Going)
    except (OSError, DamagedFile):
        return None
    return found if process.find(found.who) else None


@contextmanager
def told(places: Places, plan: Plan) -> Iterator[Callable[[str], None]]:
    """What the block is at can be read meanwhile; it says each step. FolderNotUsable."""
    now = time.time()
    own = Identity(os.getpid(), psutil.Process().create_time(), process.new_token())
    known = Going(plan.settings.stack.name, plan.mode, plan.served.name, "", now, now, own)

    def at(step: str) -> None:
        content = msgspec.json.encode(asdict(replace(known, step=step, since=time.time())))
        try:
            files.write(places.going, content)
        except OSError as error:
            raise FolderNotUsable(
                f"{places.root} cannot be written: {error.strerror}.", "Name another folder in EMBEDSTACK_HOME."
            ) from error

    try:
        yield at
    finally:
        with suppress(OSError):
            places.going.unlink(missing_ok=True)
