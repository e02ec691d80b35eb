"""Small files, written in one step."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embedstack.deploy.native import protocol
from embedstack.deploy.native.protocol import SupervisorRecord
from embedstack.deploy.places import Places
from embedstack.host import files

LONG = 200_000  # bytes, more than one write() of a buffered file


class TestWrite:
    def test_replaces_what_was_there(self, tmp_path: Path) -> None:
        """The file has the new content, and nobody but its user may read it."""
        path = tmp_path / "plan.json"
        path.write_text("old, and for all to read")

        files.write(path, b"new")

        assert path.read_bytes() == b"new"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_is_readable_where_that_is_asked_for(self, tmp_path: Path) -> None:
        """The mode does not depend on the umask."""
        path = tmp_path / "mounted"
        before = os.umask(0o077)
        try:
            files.write(path, b"", 0o644)
        finally:
            os.umask(before)

        assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def test_several_at_once_leave_one_whole(self, tmp_path: Path) -> None:
        """Each has a name of its own until it is whole: no content is mixed, and none of those names stays."""
        path = tmp_path / "verified.json"
        contents = [bytes([letter]) * LONG for letter in b"abcdefgh"]

        with ThreadPoolExecutor(len(contents)) as pool:
            list(pool.map(lambda content: files.write(path, content), contents * 4))

        assert path.read_bytes() in contents
        assert [path] == list(tmp_path.iterdir())

    def test_a_failure_leaves_the_old_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a full disk the file is as it was, and what was begun beside it is gone."""

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        path = tmp_path / "plan.json"
        files.write(path, b"old")
        monkeypatch.setattr(os, "fsync", full)

        with pytest.raises(OSError, match="No space left"):
            files.write(path, b"new")

        assert path.read_bytes() == b"old"
        assert [path] == list(tmp_path.iterdir())


def test_a_removed_stack_stays_removed(tmp_path: Path) -> None:
    """A supervisor whose folder was deleted under it does not bring the folder back."""
    places = Places(tmp_path / "gone")

    with pytest.raises(FileNotFoundError):
        protocol.write_record(places, SupervisorRecord(4711))

    assert not places.root.exists()
