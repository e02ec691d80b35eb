"""A file that holds one key and nothing else."""

import os
import select
from pathlib import Path

from embedstack.readers import content
from embedstack.readers.content import Damaged, DamagedFile

MOST_BYTES = 64 * 2**10
PATIENCE = 30.0  # seconds; a program that asks a person for a password may write to the pipe


def read(path: Path) -> str:
    """The key. OSError; DamagedFile, which never quotes the file, for what is no text, or empty.

    It may be a pipe, as a shell makes one of `<(...)`.
    """
    try:
        data = _bytes(path)
        if len(data) > MOST_BYTES:
            raise Damaged(f"more than {MOST_BYTES:,} bytes, which no key has")
        key = content.as_text(data).strip()
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
        while len(data) <= MOST_BYTES and (piece := _piece(descriptor)):
            data += piece
        return data
    finally:
        os.close(descriptor)


def _piece(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, MOST_BYTES)
        except BlockingIOError:
            if not select.select([descriptor], [], [], PATIENCE)[0]:
                raise Damaged(f"a pipe into which nothing was written for {PATIENCE:.0f} s") from None
