"""What the supervisor knows, on disk, so that the one after it finds the parts. 0600, since specs hold secrets."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from embedstack.deploy.errors import FolderNotUsable
from embedstack.deploy.native.identity import Identity
from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.places import Places
from embedstack.readers import json_file

_LOST = "parts that it named may still run, and then `embedstack up` names whoever has their ports"
ADVICE = "Set EMBEDSTACK_HOME to a folder that this user may read and write."


@dataclass(frozen=True)
class RecordedPart:
    """A part, and its process if it had one."""

    spec: PartSpec
    who: Identity | None = None
    restarts: int = 0


@dataclass(frozen=True)
class Record:
    """A supervisor, and what it keeps running."""

    pid: int
    parts: tuple[RecordedPart, ...] = ()


def path(places: Places) -> Path:
    return places.run / "supervisor.json"


def read(places: Places) -> Record | None:
    """The record; None where there is none, or a damaged one, which is set aside: what it named is a stranger to us.

    FolderNotUsable where the system does not let it be read.
    """
    try:
        return json_file.read_again(path(places), Record, _LOST)
    except NotADirectoryError:
        return None
    except OSError as error:
        raise FolderNotUsable(f"{path(places)} cannot be read: {error.strerror or error}.", ADVICE) from error


def write(places: Places, record: Record) -> None:
    """At once or not at all."""
    partial = path(places).with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(record))
    partial.replace(path(places))


def remove(places: Places) -> None:
    path(places).unlink(missing_ok=True)
