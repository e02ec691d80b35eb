"""The folder of the embedded engine's socket: private, short enough, and gone with those who made it."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from embedstack.bridge.backends.socket_folder import MOST_PATH, PREFIX, SocketFolder

HOLDER = "import sys; from embedstack.bridge.backends.socket_folder import SocketFolder as F; f = F.make(); "
HOLDER += "f.next_socket().touch(); print(f.path, flush=True); sys.stdin.read()"


@pytest.fixture
def parent() -> Iterator[Path]:
    """Shorter than pytest's own."""
    with TemporaryDirectory(prefix="sockets-") as folder:
        yield Path(folder)


@contextmanager
def made(*parents: Path) -> Iterator[SocketFolder]:
    folder = SocketFolder.make(parents)
    try:
        yield folder
    finally:
        folder.remove()


def held_by_another_process(parent: Path) -> tuple["subprocess.Popen[str]", Path]:
    """A process that has made a folder with a socket's file in it, and the folder."""
    environ = {**os.environ, "TMPDIR": str(parent)}
    holder = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLDER], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    return holder, Path(holder.stdout.readline().strip())


def ended(holder: "subprocess.Popen[str]") -> None:
    with holder:
        holder.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_private_whatever_the_umask(parent: Path, umask: int) -> None:
    """0700, also where a umask would open it or take it away."""
    before = os.umask(umask)
    try:
        with made(parent) as folder:
            assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700 & ~(umask & 0o200)
    finally:
        os.umask(before)


def test_gone_with_its_sockets(parent: Path) -> None:
    """Each start has a name of its own; at the end neither they nor the folder are left."""
    with made(parent) as folder:
        first = folder.next_socket()
        first.touch()
        second = folder.next_socket()
        assert not first.exists()
        assert first != second
        assert first.parent == second.parent == folder.path
        assert len(str(second).encode()) <= MOST_PATH
        second.touch()
    assert list(parent.iterdir()) == []


@pytest.mark.process
def test_bridges_beside_each_other(parent: Path) -> None:
    """Two of one process and one of another: each has its own, and none takes another's for a dead one's."""
    holder, theirs = held_by_another_process(parent)
    with made(parent) as one, made(parent) as two:
        assert len({theirs, one.path, two.path}) == 3
        assert one.intact
        assert two.intact
        assert theirs.is_dir()
    ended(holder)


@pytest.mark.process
def test_what_a_killed_one_has_left(parent: Path) -> None:
    """The next one removes it."""
    holder, theirs = held_by_another_process(parent)
    ended(holder)
    assert len(list(theirs.iterdir())) == 1
    with made(parent) as folder:
        assert [folder.path] == list(parent.iterdir())


def test_what_is_not_ours_to_remove(parent: Path, tmp_path: Path) -> None:
    """A link, a file, a folder with something else in it: left as they are."""
    kept = tmp_path / "kept.sock"
    kept.touch()
    (parent / f"{PREFIX}link").symlink_to(tmp_path)
    (parent / f"{PREFIX}file").touch()
    (parent / f"{PREFIX}full").mkdir()
    (parent / f"{PREFIX}full" / "notes").touch()
    with made(parent):
        pass
    assert kept.exists()
    assert len(list(parent.iterdir())) == 3
    assert (parent / f"{PREFIX}full" / "notes").exists()


def test_a_folder_with_a_long_path_is_passed_by(parent: Path) -> None:
    """The system takes no socket there; the next place is used."""
    long = parent / ("x" * 80)
    long.mkdir()
    with made(long, parent) as folder:
        assert parent == folder.path.parent


@pytest.mark.process
def test_a_long_or_missing_tmpdir(parent: Path) -> None:
    """TMPDIR may be anything: the engine's socket has a place, and a short one."""
    long = parent / ("é" * 60)
    long.mkdir()
    for folder in (long, parent / "missing"):
        holder, theirs = held_by_another_process(folder)
        assert len(os.fsencode(theirs)) < MOST_PATH
        assert theirs.is_dir()
        assert holder.communicate("")[0] == ""
        SocketFolder.make([theirs.parent]).remove()
        assert not theirs.exists()


def test_a_folder_where_others_may_rename_is_passed_by(parent: Path) -> None:
    """World-writable without the sticky bit: another user could put a folder of theirs in our place."""
    open_to_all = parent / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with made(open_to_all, parent) as folder:
        assert parent == folder.path.parent
    open_to_all.chmod(0o1777)
    with made(open_to_all, parent) as folder:
        assert open_to_all == folder.path.parent


def test_nowhere(tmp_path: Path) -> None:
    """No place at all is an error, not a folder in the wrong place."""
    with pytest.raises(OSError, match="no folder"):
        SocketFolder.make([tmp_path / "missing"])


def test_replaced(parent: Path) -> None:
    """A folder that was removed, and another of its name, are not the one that was made."""
    with made(parent) as folder:
        folder.path.rmdir()
        assert not folder.intact
        folder.path.mkdir()
        assert not folder.intact
    assert folder.path.exists()
