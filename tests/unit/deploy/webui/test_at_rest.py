"""An index that an `up` would break, seen while Open WebUI does not run: in its database, which is only read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from embedstack.deploy.webui import at_rest
from embedstack.deploy.webui.index.guard import Indexed


def _database(folder: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(folder / at_rest.DATABASE)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return folder


def test_what_is_indexed_is_counted(tmp_path: Path) -> None:
    """Knowledge bases, their files, memories; a picture in a chat is not an index."""
    _database(
        tmp_path,
        *("CREATE TABLE knowledge (id TEXT)", "CREATE TABLE knowledge_file (id TEXT)", "CREATE TABLE file (id TEXT)"),
        *("INSERT INTO knowledge VALUES ('a')", "INSERT INTO knowledge_file VALUES ('b'), ('c')"),
        *("INSERT INTO file VALUES ('b'), ('c'), ('picture')", "CREATE TABLE memory (id TEXT)"),
        "INSERT INTO memory VALUES ('m')",
    )

    assert at_rest.indexed(tmp_path) == Indexed(knowledge=1, files=2, memories=1)


@pytest.mark.parametrize("content", [None, b"", b"no database" * 100])
def test_a_database_that_tells_nothing_is_no_refusal(tmp_path: Path, content: bytes | None) -> None:
    """Open WebUI is asked itself once it runs."""
    if content is not None:
        (tmp_path / at_rest.DATABASE).write_bytes(content)

    assert not at_rest.indexed(tmp_path)


def test_nothing_is_written(tmp_path: Path) -> None:
    """Neither the database nor a file beside it."""
    _database(tmp_path, "CREATE TABLE knowledge (id TEXT)")
    before = [(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())]

    at_rest.indexed(tmp_path)

    assert [(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())] == before
