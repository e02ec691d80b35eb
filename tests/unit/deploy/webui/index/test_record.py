"""The record of what an index was made with."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.errors import FileDamaged
from embedstack.deploy.places import Places
from embedstack.deploy.webui.index import record
from embedstack.deploy.webui.index.record import IndexRecord

RECORD = IndexRecord(IndexFacts("0123456789abcdef", "demo", "f16", 2560, "qwen3", "", "fedcba9876543210"))


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """For its user alone; nothing is there before."""
    path = record.of_stack(Places(tmp_path / "stack"))
    assert record.read(path) is None
    record.write(path, RECORD)
    assert record.read(path) == RECORD
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_goes_with_the_stack(tmp_path: Path) -> None:
    """`down --volumes` takes the index away, and the record with it."""
    where = Places(tmp_path / "stack")
    record.write(record.of_stack(where), RECORD)
    where.remove()
    assert record.read(record.of_stack(where)) is None


def test_each_foreign_open_webui_has_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its address, however it ends."""
    monkeypatch.setenv("EMBEDSTACK_HOME", str(tmp_path))
    one, other = "http://one:8080", "http://other:8080"
    assert record.of_url(one) == record.of_url(f"{one}/") != record.of_url(other)
    record.write(record.of_url(one), RECORD)
    assert record.read(record.of_url(one)) == RECORD
    assert record.read(record.of_url(other)) is None


@pytest.mark.parametrize("content", ["", "{}", '{"facts": 1}'])
def test_one_that_cannot_be_read_is_no_missing_one(tmp_path: Path, content: str) -> None:
    """Else a broken file would let a change through."""
    path = tmp_path / record.NAME
    path.write_text(content)
    with pytest.raises(FileDamaged, match=r"webui-index\.json"):
        record.read(path)
