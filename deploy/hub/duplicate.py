"""A second name for a file where the disk allows it, else a copy."""

import os
from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.hub import space
from embedstack.deploy.hub.verify import CHUNK


def duplicate(origin: Path, target: Path, report: Report) -> bool:
    """Make `target` the same file as `origin`; whether its bytes were copied. OSError; NotEnoughSpace."""
    origin = origin.resolve()
    if target.resolve() == origin:
        return False
    target.unlink(missing_ok=True)
    try:
        os.link(origin, target)
    except OSError:  # another disk, a file system without hard links, or another user's file
        space.ensure(target.parent, origin.stat().st_size, space.TARGET)
        _copy(origin, target, report)
        return True
    return False


def _copy(origin: Path, target: Path, report: Report) -> None:
    partial, size = target.with_name(f".{target.name}.partial"), origin.stat().st_size
    try:
        with origin.open("rb") as read, partial.open("wb") as written, report.transfer(target.name, size) as transfer:
            while chunk := read.read(CHUNK):
                written.write(chunk)
                transfer.at(written.tell())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
