"""Logs that do not grow without end.

A part writes to its log itself, so that it can outlive the supervisor; so the file stays where it is, and what is in it
is copied away. What the part writes between the copy and the cut is lost: a line or two of megabytes. The supervisor's
own log, which its starter may have opened for it, is kept small in the same way.
"""

import shutil
from pathlib import Path

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
