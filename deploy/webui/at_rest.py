"""What an Open WebUI that does not run has in its database, read and never written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from embedstack.deploy.webui.index.guard import Indexed

DATABASE = "webui.db"
_WAIT = 5.0  # seconds, for another program that has it locked


def indexed(data: Path) -> Indexed:
    """Knowledge bases, their files and memories. Nothing where the database is not there, or does not tell: Open WebUI
    is asked itself once it runs. Files that are in no knowledge base are not counted: they may be pictures.
    """
    place = data / DATABASE
    if not place.is_file():
        return Indexed()
    try:
        with closing(sqlite3.connect(f"{place.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT)) as database:
            return Indexed(
                knowledge=_count(database, "knowledge"),
                files=_count(database, "knowledge_file"),
                memories=_count(database, "memory"),
            )
    except sqlite3.Error:
        return Indexed()


def _count(database: sqlite3.Connection, table: str) -> int:
    """0 for a table that this version does not have."""
    known = database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
    return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) if known else 0  # noqa: S608 -- ours
