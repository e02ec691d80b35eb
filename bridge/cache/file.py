"""The SQLite file of vectors: how it is opened, and its schema."""

import contextlib
import os
import sqlite3
from pathlib import Path

SCHEMA = 1
PAGE = 4096  # 2,560 numbers take 3 pages, 4,096 a little over 4, 1,024 a little over 1: at most a fifth is lost
_BUSY = 5.0  # seconds for which another process may hold the file

# AUTOINCREMENT never reuses a number, so rows that are new to another process have higher ones.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS vectors ("
    "number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL, value BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS by_use ON vectors (used)",
)


def journal_bytes(most: int) -> int:
    """Bytes of the limit that are reserved for the journal beside the file."""
    return min(4 * 1024 * 1024, most // 4)


def open_file(path: Path, most: int) -> tuple[sqlite3.Connection, bool]:
    """The file, and whether it can be written to. sqlite3.DatabaseError if it cannot be used."""
    with contextlib.suppress(OSError):  # SQLite's error says more
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # its journals get the same permissions
    try:
        return _opened(path, "mode=rwc", most), True
    except sqlite3.OperationalError as error:
        if not error_name(error).startswith("SQLITE_READONLY") and os.access(path.parent, os.W_OK):
            raise
    try:
        return _opened(path, "mode=ro"), False
    except sqlite3.OperationalError:
        # Without a journal, and if none can be created, SQLite reads a file only if it is declared immutable.
        return _opened(path, "mode=ro&immutable=1"), False


def error_name(error: sqlite3.Error) -> str:
    """SQLite's name for the error; "" for an error that we raised ourselves."""
    return getattr(error, "sqlite_errorname", None) or ""


def _opened(path: Path, query: str, most: int | None = None) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.resolve().as_uri()}?{query}", uri=True, timeout=_BUSY, isolation_level=None)
    try:
        # No memory map: a damaged file must cause an error, never a signal that kills the process.
        for pragma in ("mmap_size = 0", "cache_size = -1024", "synchronous = NORMAL", "trusted_schema = OFF"):
            db.execute(f"PRAGMA {pragma}")
        _check_schema(db, may_be_empty=most is not None)
        if most is not None:
            _prepare(db, most)
        db.execute("SELECT key, used, value FROM vectors LIMIT 1").fetchall()
    except BaseException:
        db.close()
        raise
    return db


def _check_schema(db: sqlite3.Connection, *, may_be_empty: bool) -> None:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    tables = int(db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0])
    if version != SCHEMA and (tables or not may_be_empty):
        raise sqlite3.DatabaseError(f"it has schema {version}, not {SCHEMA}")


def _prepare(db: sqlite3.Connection, most: int) -> None:
    journal = journal_bytes(most)
    db.execute(f"PRAGMA page_size = {PAGE}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA journal_size_limit = {journal // 2}")
    db.execute(f"PRAGMA wal_autocheckpoint = {max(1, journal // 4 // PAGE)}")
    db.execute("BEGIN IMMEDIATE")
    for statement in _TABLES:
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA}")
    db.execute("COMMIT")
    db.execute(f"PRAGMA max_page_count = {(most - journal // 2) // PAGE}")
