"""The logs of a stack: the last lines of its parts, and what comes after.

Logs that do not grow without end.

A part writes to its log itself, so that it can outlive the supervisor; so the file stays where it is, and what is in it
is copied away. What the part writes between the copy and the cut is lost: a line or two of megabytes. The supervisor's
own log, which its starter may have opened for it, is kept small in the same way.
"""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from embedstack.deploy.places import Places

POLL = 0.2  # seconds
BLOCK = 65_536  # bytes


@dataclass(frozen=True)
class Line:
    """A line of a part's log, without its end."""

    part: str
    text: str


def opened(path: Path) -> BinaryIO:
    """A log to write to at its end, which only this user may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def tail(path: Path, count: int) -> list[str]:
    """The last `count` lines of a file; none where it is not there. Reads no more of it than it has to."""
    try:
        with path.open("rb") as file:
            position, data = file.seek(0, 2), b""
            while position > 0 and data.count(b"\n") <= count:
                step = min(BLOCK, position)
                position = file.seek(position - step)
                data = file.read(step) + data
    except FileNotFoundError:
        return []
    return data.decode(errors="replace").splitlines()[-count:] if count else []


def parts(places: Places) -> tuple[str, ...]:
    """Who has a log."""
    return tuple(sorted(path.stem for path in places.logs.glob("*.log")))


def last(places: Places, names: Sequence[str], count: int) -> Iterator[Line]:
    """The last `count` lines of each part, one part after the other: logs of different parts share no clock."""
    for name in names:
        for text in tail(_log(places, name), count):
            yield Line(name, text)


def follow(places: Places, names: Sequence[str], *, stop_after: float | None = None) -> Iterator[Line]:
    """What is written from now on, as it comes; without end, or for `stop_after` seconds. Survives rotation."""
    followed = [Followed(name, _log(places, name)) for name in names]
    until = None if stop_after is None else time.monotonic() + stop_after
    while until is None or time.monotonic() < until:
        came = [line for one in followed for line in one.new()]
        yield from came
        if not came:
            time.sleep(POLL)


def _log(places: Places, name: str) -> Path:
    return places.logs / f"{name}.log"


class Followed:
    """A log from where it ended when we began."""

    def __init__(self, name: str, path: Path) -> None:
        self._name, self._path = name, path
        self._at = path.stat().st_size if path.exists() else 0
        self._begun = b""

    def new(self) -> Iterator[Line]:
        """Lines that have been finished since."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._at:  # it was rotated
                    self._at, self._begun = 0, b""
                file.seek(self._at)
                data = file.read()
        except FileNotFoundError:
            return
        self._at += len(data)
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            yield Line(self._name, line.decode(errors="replace"))


LARGEST = 10_000_000  # bytes
KEPT = 3


def own(logs: Path) -> Path:
    """The supervisor's log."""
    return logs / "supervisor.log"


def rotate(log: Path, largest: int = LARGEST, kept: int = KEPT) -> bool:
    """Move what is in `log` to `log.1`, that to `log.2`, … if it is larger than allowed; True where it was."""
    try:
        if log.stat().st_size <= largest:
            return False
    except FileNotFoundError:
        return False
    for number in range(kept, 1, -1):
        older = _numbered(log, number - 1)
        if older.exists():
            older.replace(_numbered(log, number))
    copy = _numbered(log, 1)
    try:
        copy.touch(mode=0o600)
        shutil.copyfile(log, copy)
    except OSError:  # the disk is full, for one: then the log is what has to go
        copy.unlink(missing_ok=True)
    with log.open("r+b") as file:
        file.truncate(0)
    return True


def _numbered(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
