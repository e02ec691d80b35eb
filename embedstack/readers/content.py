"""The bytes of a file, and the text that they are. What is damaged and can be made again is put aside.

A file that holds one key and nothing else.
"""

from __future__ import annotations

import logging
import os
import select
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

MOST_BYTES = 16 * 2**20  # of a file that this project writes, or a person by hand: the longest has some 100 KB
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Place(NamedTuple):
    """Both from 1, as editors count them; columns in characters."""

    line: int
    column: int


class Damaged(ValueError):
    """Content that is not of its format.

    Attributes:
        problem: what is wrong; may quote the content.
        place: where, None where that cannot be said.
    """

    def __init__(self, problem: str, place: Place | None = None) -> None:
        super().__init__(f"line {place.line}, column {place.column}: {problem}" if place else problem)
        self.problem = problem
        self.place = place


class DamagedFile(Damaged):
    """A file that is not of its format; the message begins with its path."""

    def __init__(self, path: Path, problem: str, place: Place | None = None) -> None:
        super().__init__(problem, place)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"

    @property
    def detail(self) -> str:
        """Place and problem, without the path."""
        return super().__str__()


def read(path: Path, most: int = MOST_BYTES) -> bytes:
    """The file's bytes. OSError; DamagedFile for what is not a regular file, or has more than `most` bytes."""
    # A pipe in its place would hold us for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return read_open(descriptor, path, most)
    finally:
        os.close(descriptor)


def read_open(descriptor: int, path: Path, most: int = MOST_BYTES) -> bytes:
    """The same of a file that is open already, whose `path` is named in errors."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        found = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise DamagedFile(path, f"{found} is in the place of the file")
    if status.st_size > most:
        raise _too_large(path, most)
    pieces, left = [], most + 1
    while left and (piece := os.read(descriptor, min(left, 2**20))):
        pieces.append(piece)
        left -= len(piece)
    if not left:  # it has grown meanwhile
        raise _too_large(path, most)
    return b"".join(pieces)


def _too_large(path: Path, most: int) -> DamagedFile:
    return DamagedFile(path, f"more than {most:,} bytes, which no such file has")


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The file's text. OSError; DamagedFile for what is not UTF-8."""
    content = read(path, most)
    try:
        return as_text(content)
    except Damaged as error:
        raise DamagedFile(path, error.problem, error.place) from error


def as_text(content: bytes) -> str:
    """Damaged, with the place of the first byte that is not UTF-8. No byte is shown: it may be a secret's."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        coding = _MARKS.get(content[:2])
        problem = f"it is {coding}, and should be UTF-8" if coding else "a byte that is not UTF-8"
        raise Damaged(problem, place_of(content, error.start)) from None


def place_of(content: bytes, at: int) -> Place:
    """Where the byte at `at` stands; all before it is UTF-8."""
    before = content[:at]
    start = before.rfind(b"\n") + 1
    return Place(before.count(b"\n") + 1, len(before[start:].decode("utf-8", "replace")) + 1)


def set_aside(error: DamagedFile, consequence: str) -> None:
    """Rename the damaged file to NAME.damaged-DATE, and say so in the log with its `consequence`."""
    path = error.path
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    try:
        path.rename(kept)
    except OSError as refused:
        log.warning("%s; it cannot be renamed (%s); %s", error, refused.strerror, consequence)
    else:
        log.warning("%s; it is kept as %s; %s", error, kept.name, consequence)


MOST_KEY_BYTES = 64 * 2**10
PATIENCE = 30.0  # seconds; a program that asks a person for a password may write to the pipe


def read_key(path: Path) -> str:
    """The key. OSError; DamagedFile, which never quotes the file, for what is not text, or empty.

    It may be a pipe, as a shell makes one of `<(...)`.
    """
    try:
        data = _bytes(path)
        if len(data) > MOST_KEY_BYTES:
            raise Damaged(f"more than {MOST_KEY_BYTES:,} bytes, which no key has")
        key = as_text(data).strip()
        if not key:
            raise Damaged("it holds no key")
    except Damaged as error:
        raise DamagedFile(path, error.problem, error.place) from None
    return key


def _bytes(path: Path) -> bytes:
    # Opened so, a pipe to which nobody writes is at its end instead of waiting for somebody.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        data = b""
        while len(data) <= MOST_KEY_BYTES and (piece := _piece(descriptor)):
            data += piece
        return data
    finally:
        os.close(descriptor)


def _piece(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, MOST_KEY_BYTES)
        except BlockingIOError:
            if not select.select([descriptor], [], [], PATIENCE)[0]:
                raise Damaged(f"a pipe into which nothing was written for {PATIENCE:.0f} s") from None
