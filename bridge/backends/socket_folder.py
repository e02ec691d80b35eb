"""Where the embedded engine listens: a Unix socket in a folder that only this user may enter."""

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import platformdirs

PREFIX, SUFFIX = "embedstack-engine-", ".sock"  # llama.cpp takes a host for a socket's path by this ending
# Bytes of a socket's path: 108 with a final zero on Linux, 104 on macOS.
MOST_PATH = 103
_LONGEST_NAME = "engine-999999.sock"
_ATTEMPTS = 10


class SocketFolder:
    """A new folder, 0700, and the names of sockets in it. It is locked for as long as this process has it: the
    next one recognises by its lock what a killed one left, and removes it. systemd-tmpfiles(8) skips locked folders.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._count = 0

    @classmethod
    def make(cls, parents: Iterable[Path] | None = None) -> "SocketFolder":
        """In the first of `parents` that serves. OSError where none does."""
        for parent in places() if parents is None else parents:
            if _private_enough(parent) and _short_enough(parent):
                with contextlib.suppress(OSError):
                    sweep(parent)
                    return cls(*_locked_folder(parent))
        raise OSError("no folder for temporary files is writable, private and short enough for a socket")

    @property
    def intact(self) -> bool:
        """Whether the folder is still the one that was made."""
        try:
            return os.path.samestat(self.path.lstat(), os.fstat(self._lock))
        except OSError:
            return False

    def next_socket(self) -> Path:
        """A name that no engine has had: a client of the last one does not reach the next. What an engine
        that was killed has left goes.
        """
        _without_sockets(self.path)
        self._count += 1
        return self.path / f"engine-{self._count}{SUFFIX}"

    def remove(self) -> None:
        if self.intact:
            _emptied(self.path)
        os.close(self._lock)


def places() -> Iterator[Path]:
    """Where temporary files belong, the user's choice first. The runtime folder ends with the user's last session,
    which a stack outlives, and is for machines that have nothing else.
    """
    yield Path(tempfile.gettempdir()).absolute()
    yield from (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 -- each folder is made by mkdtemp, with 0700
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime)
    yield platformdirs.user_cache_path("embedstack")


def sweep(parent: Path) -> None:
    """Remove the folders that processes of this user have left there. OSError where `parent` cannot be read."""
    with os.scandir(parent) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX)]
    for path in found:
        with contextlib.suppress(OSError):
            lock = _lock(path)
            try:
                _emptied(path)
            finally:
                os.close(lock)


def _private_enough(parent: Path) -> bool:
    """Whether nobody else may rename what is in it."""
    try:
        mode = parent.stat().st_mode
    except OSError:
        return False
    return not mode & stat.S_IWOTH or bool(mode & stat.S_ISVTX)


def _short_enough(parent: Path) -> bool:
    path = parent / f"{PREFIX}12345678" / _LONGEST_NAME
    try:
        return len(str(path).encode()) <= MOST_PATH
    except UnicodeEncodeError:
        return False  # the path travels as text


def _locked_folder(parent: Path) -> tuple[Path, int]:
    """Another bridge that sweeps may take a folder between its making and its locking."""
    for _ in range(_ATTEMPTS):
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with contextlib.suppress(OSError):
            lock = _lock(path)
            if path.is_dir():
                return path, lock
            os.close(lock)
    raise OSError(f"every new folder in {parent} disappears")


def _lock(path: Path) -> int:
    """OSError where it is another user's, no folder, or locked."""
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(lock).st_uid != os.geteuid():
            raise PermissionError(f"{path} is another user's")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _emptied(path: Path) -> None:
    """Without its sockets, and gone where they were all it held."""
    _without_sockets(path)
    with contextlib.suppress(OSError):
        path.rmdir()


def _without_sockets(path: Path) -> None:
    for socket in path.glob(f"*{SUFFIX}"):
        socket.unlink(missing_ok=True)
