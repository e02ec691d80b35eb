"""Files that only their user may read."""

import contextlib
import os
import tempfile
from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """Whole or not at all; 0600, as mkstemp makes it, in a folder of 0700. OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
