"""What `up` leaves for the other verbs."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from embedstack.deploy import record
from embedstack.deploy.errors import FileDamaged, FolderNotUsable, NotRunning
from embedstack.deploy.places import Places
from embedstack.deploy.record import Record

KNOWN = Record("s", "native", "demo", "f16", 2560, "embedded", True, None, "http://127.0.0.1:1", None)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Field by field, and by this user alone."""
    places = Places(tmp_path / "s")

    record.write(places, KNOWN)

    assert record.read(places) == KNOWN
    assert stat.S_IMODE(places.plan.stat().st_mode) == 0o600


def test_a_stack_that_was_never_up_is_reported(tmp_path: Path) -> None:
    """By its name, with the command that brings one up."""
    with pytest.raises(NotRunning, match="no stack 'other'") as reported:
        record.read(Places(tmp_path / "other"))

    assert "embedstack up" in reported.value.advice


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stack": "s"}', '{"mode": "ship"}'])
def test_a_damaged_record_is_reported_and_no_traceback(tmp_path: Path, text: str) -> None:
    """`up` writes it again."""
    places = Places(tmp_path).create()
    places.plan.write_text(text)

    with pytest.raises(FileDamaged, match="is damaged"):
        record.read(places)


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    """With the variable that names another."""
    (tmp_path / "file").touch()

    with pytest.raises(FolderNotUsable) as reported:
        record.write(Places(tmp_path / "file" / "s"), KNOWN)

    assert "EMBEDSTACK_HOME" in reported.value.advice
