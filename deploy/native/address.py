"""Where the supervisor's socket is."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from embedstack.deploy.errors import FolderNotUsable
from embedstack.deploy.places import Places

LONGEST = 100  # bytes; Linux takes 107 and macOS 103


def socket_path(places: Places) -> Path:
    """In the stack's folder; where that is too long for a socket, under a short name in a folder of this user's own.

    FolderNotUsable where another user has taken that folder first: whoever owns it could answer in our place.
    """
    if len(os.fsencode(places.socket)) <= LONGEST:
        return places.socket
    folder = Path(tempfile.gettempdir()) / f"embedstack-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise FolderNotUsable(
            f"{folder} is not a folder that only this user can use, and {places.socket} is too long for a socket.",
            "Remove it, or set EMBEDSTACK_HOME to a shorter path.",
        )
    return folder / f"{hashlib.sha256(os.fsencode(places.root)).hexdigest()[:16]}.sock"
