"""Whether a disk has room, asked before the first byte."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedstack.deploy.errors import FolderNotUsable, NotEnoughSpace

MARGIN = 64 * 2**20  # for whatever else writes there meanwhile
CACHE = "Make room there, or name another folder: `--set hub.cache=FOLDER`, or HF_HOME."
HOME = "Make room there, or name another folder in EMBEDSTACK_HOME."
TARGET = "Make room there, or name another folder."


def ensure(folder: Path, needed: int, advice: str) -> None:
    """NotEnoughSpace unless `needed` more bytes, and some, fit where `folder` is or will be."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed + MARGIN:
        raise NotEnoughSpace(
            f"{folder} has {_size(free)} free; {_size(needed)} are needed there, and {_size(MARGIN)} to spare.", advice
        )


@contextmanager
def writing(folder: Path, advice: str) -> Iterator[None]:
    """What the system says against writing to `folder`, as NotEnoughSpace or FolderNotUsable."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.strerror is None:
            raise  # of the network: errors of HTTP are OSErrors, too
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(folder).free
            raise NotEnoughSpace(
                f"{folder} is full: {error.strerror}, {_size(free)} free. What had come is kept.", advice
            ) from error
        where = f" ({error.filename})" if error.filename and str(error.filename) != str(folder) else ""
        raise FolderNotUsable(f"{folder} cannot be written: {error.strerror}{where}.", advice) from error


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e9:.2f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.1f} MB"
