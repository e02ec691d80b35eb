"""Files that only their user may read."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def create(path: Path, content: bytes) -> bytes:
    """Create the file with `content` unless it exists. Returns what it then contains: if several processes create it,
    the content of the first. OSError.
    """
    with _partial(path, content, 0o600) as partial:
        try:
            os.link(partial, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                partial.replace(path)
    return path.read_bytes()


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the file in one step: readers see the old content or the new, never a part. OSError."""
    with _partial(path, content, mode) as partial:
        partial.replace(path)


@contextlib.contextmanager
def _partial(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """The content on disk, under another name beside `path`. If the block leaves that file there, it is removed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    finally:
        partial.unlink(missing_ok=True)
