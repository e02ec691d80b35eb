"""The vectors on disk: one SQLite file, used by one thread of each process.

SQLite and not LMDB: a fault of LMDB's file has ended the process (SIGBUS, lmdb 3.0) where SQLite answers an error; and
a cache must be able to fail.
"""

import contextlib
import itertools
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from embedstack.bridge.cache.file import PAGE, error_name, journal_bytes, open_file

log = logging.getLogger(__name__)

FILE = "vectors.sqlite3"
# Seconds after which a disk that was full, or could not be used at all, is tried again.
TRY_AGAIN = 60.0
# Seconds for which a use that is written down is good enough: a busy row is not written again and again.
USE_GRAIN = 600
_USES_AT_ONCE = 128  # of one transaction: each may touch three pages, and the journal has a bound
_MOST_USES = 4096  # that wait to be written
_OPENINGS = 40  # times that a file is tried which another process is just making
_MOST_KEYS = 500  # of one question to SQLite

# What no other try would mend. All else is the disk's, and may pass.
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")

_INSERT = (
    "INSERT INTO vectors (key, used, value) VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET used = excluded.used, value = excluded.value"
)

T = TypeVar("T")
Value = tuple[bytes, bytes]
State = Literal["on", "read-only", "full", "off"]


class DiskStore:
    """Values by 32-byte keys, the oldest use evicted beyond `most_bytes`, which counts the journal too. No method
    raises for the disk's faults: each is logged, counted in `faults`, and shows in `state` and `reason`.
    """

    def __init__(self, folder: Path, most_bytes: int, *, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.most = most_bytes
        self.state: State = "off"
        self.reason = ""
        self.faults = 0
        self.evicted = 0
        self.set_aside = 0
        self._clock = clock
        self._journal = journal_bytes(most_bytes)
        self._retry_at = 0.0
        self._used: dict[bytes, int] = {}
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and number of what is open
        self._after: bytes | None = b""  # the key up to which `new_keys` has returned them, until it has returned all
        self._seen = 0  # the row number up to which it has, from then on
        self._version = -1

    @property
    def path(self) -> Path:
        return self.folder / FILE

    def open(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connect_patiently()
        except sqlite3.DatabaseError as error:
            self._fault("opened", error)
        except OSError as error:
            self._off(f"{self.folder} cannot be used ({error.strerror or error})")

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values that are there; their use is remembered and written later."""
        found: dict[bytes, bytes] = {}
        now = int(self._clock())
        for start in range(0, len(keys), _MOST_KEYS):
            for key, used, value in self._rows(keys[start : start + _MOST_KEYS]):
                found[key] = value
                if abs(now - used) >= USE_GRAIN:
                    self._used[key] = now
        if len(self._used) > _MOST_USES:
            self.flush()
        return found

    @property
    def has_uses(self) -> bool:
        """Whether `flush` has anything to write."""
        return bool(self._used)

    def put(self, values: Iterable[Value]) -> None:
        """A value is there whole or not at all; of many, some may be there before others."""
        for some in _portions(values, self._journal // 8):
            self._change("written", lambda db, some=some: self._insert(db, some))  # type: ignore[misc]

    def discard(self, keys: Sequence[bytes]) -> None:
        """Values that proved damaged, or are no longer true."""
        rows = [(key,) for key in keys]
        self._change("written", lambda db: db.executemany("DELETE FROM vectors WHERE key = ?", rows))

    def flush(self) -> None:
        """Write down what was used, where anything may be written."""
        while self._used and self._change("written", self._write_uses):
            pass
        self._used.clear()

    def new_keys(self, most: int) -> list[bytes]:
        """Keys not returned before, our own and other processes', at most so many; empty if there are none."""
        if self._after == b"":
            newest = "SELECT COALESCE(MAX(number), 0) FROM vectors"
            self._seen = self._do("read", lambda db: int(db.execute(newest).fetchone()[0]), 0)
        if self._after is None:
            question = "SELECT key, number FROM vectors WHERE number > ? ORDER BY number LIMIT ?"
        else:  # in the order of an index that holds both: the rows themselves are not read
            question = "SELECT key, number FROM vectors WHERE key > ? ORDER BY key LIMIT ?"
        after = self._seen if self._after is None else self._after
        rows: list[tuple[bytes, int]] = self._do("read", lambda db: db.execute(question, (after, most)).fetchall(), [])
        if self._after is None:
            self._seen = rows[-1][1] if rows else self._seen
        else:
            self._after = rows[-1][0] if len(rows) == most else None
        return [key for key, _ in rows]

    def tell_all_again(self) -> None:
        """Let `new_keys` begin at the beginning."""
        self._after = b""

    def changed_elsewhere(self) -> bool:
        """Whether another process has written since this was asked last, or has begun a new file."""
        if self._db is not None and self._is_replaced():
            self._reopen()
        known = self._version
        self._version = self._do("read", lambda db: int(db.execute("PRAGMA data_version").fetchone()[0]), known)
        return self._version != known

    def entries(self) -> int:
        return self._do("read", lambda db: int(db.execute("SELECT COUNT(*) FROM vectors").fetchone()[0]), 0)

    def size(self) -> int:
        """Of the file and its journals."""
        sizes = 0
        for file in (self.path, Path(f"{self.path}-wal"), Path(f"{self.path}-shm")):
            with contextlib.suppress(OSError):
                sizes += file.stat().st_size
        return sizes

    def clear(self) -> None:
        self._used.clear()
        if self._change("cleared", lambda db: db.execute("DELETE FROM vectors")):
            self._do("cleared", lambda db: db.executescript("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"), None)

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._retry_at = float("inf")
            self._disconnect()

    # -- opening -------------------------------------------------------------------------------------------------------

    def _connect_patiently(self) -> None:
        """Two that open a new file in the same moment: SQLite does not wait for the lock while it changes to its
        write-ahead log, whatever its time-out."""
        for _ in range(_OPENINGS):
            try:
                self._connect()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                time.sleep(0.05)
            else:
                return
        self._connect()

    def _connect(self) -> None:
        self._db, writable = open_file(self.path, self.most)
        self._file = self._on_disk()
        if not writable:
            self.state, self.reason = "read-only", f"{self.folder} cannot be written to"
            log.warning("the cache on disk is read and not written: %s", self.reason)
            return
        self.state, self.reason = "on", ""
        if _in_file(self._db, "page_count") > self.most - self._journal // 2:
            log.warning("%s is larger than it may be by now (%d bytes) and is emptied", self.path, self.most)
            self.clear()
            self._reopen()  # the bound of its pages could not be set before

    def _reopen(self) -> None:
        self._disconnect()
        self.open()

    def _disconnect(self) -> None:
        self._after, self._version = b"", -1
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _on_disk(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _is_replaced(self) -> bool:
        return self._on_disk() != self._file

    # -- faults --------------------------------------------------------------------------------------------------------

    def _do(self, what: str, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """The result of `work`, or `otherwise` where the disk or the file would not have it."""
        if self._db is None and self._clock() >= self._retry_at:
            self.open()
        if self._db is None:
            return otherwise
        try:
            return work(self._db)
        except sqlite3.DatabaseError as error:
            self._fault(what, error)
            return otherwise

    def _change(self, what: str, work: Callable[[sqlite3.Connection], object]) -> bool:
        """`work` as one transaction, where anything may be written; whether it was done."""

        def transaction(db: sqlite3.Connection) -> bool:
            db.execute("BEGIN IMMEDIATE")  # so that it waits for its turn, instead of failing in the middle
            try:
                work(db)
                db.execute("COMMIT")
            except sqlite3.Error:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise
            return True

        return self._may_write() and self._do(what, transaction, False)

    def _may_write(self) -> bool:
        if self.state == "full" and self._clock() >= self._retry_at:
            self.state, self.reason = "on", ""
        return self.state == "on" or self._db is None

    def _fault(self, what: str, error: sqlite3.DatabaseError) -> None:
        self.faults += 1
        name, what = error_name(error), f"it cannot be {what}"
        if self._db is not None and self._is_replaced():
            self._reopen()  # another process found it damaged before us
        elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) and self._db is not None:
            return  # another process has it for longer than we wait; the next time it will not
        elif name.startswith(_DAMAGE) or not (name or isinstance(error, sqlite3.ProgrammingError)):
            self._set_aside(what, error)
        else:
            self._pause(what, error)

    def _pause(self, what: str, error: Exception) -> None:
        if self._db is None:
            self._off(f"{self.path}: {what} ({error})")
            return
        if self.state == "on":
            log.warning("%s: %s (%s); nothing is written for %.0f s", self.path, what, error, TRY_AGAIN)
            self.state, self.reason = "full", f"{what} ({error})"
            self._retry_at = self._clock() + TRY_AGAIN

    def _set_aside(self, what: str, error: Exception) -> None:
        """A damaged file is kept for anyone who wants to look at it, one of them, and a fresh one is begun."""
        self._disconnect()
        damaged = self.path.with_name(f"{FILE}.damaged")
        log.warning("%s: %s (%s); it is kept as %s, and a new one is begun", self.path, what, error, damaged.name)
        try:
            self.path.replace(damaged)
            for journal in ("-wal", "-shm"):
                Path(f"{self.path}{journal}").unlink(missing_ok=True)
            self.set_aside += 1
            self._connect()
        except (OSError, sqlite3.Error) as again:
            self._off(f"{self.path} is damaged ({error}) and cannot be replaced ({again})")

    def _off(self, reason: str) -> None:
        self._disconnect()
        if reason != self.reason:
            log.warning("there is no cache on disk: %s; it is tried again every %.0f s", reason, TRY_AGAIN)
        self.state, self.reason = "off", reason
        self._retry_at = self._clock() + TRY_AGAIN

    # -- within the bound ----------------------------------------------------------------------------------------------

    def _rows(self, keys: Sequence[bytes]) -> list[tuple[bytes, int, bytes]]:
        # In a damaged file a column may be of any type.
        columns = "key, COALESCE(CAST(used AS INTEGER), 0), CAST(value AS BLOB)"
        question = f"SELECT {columns} FROM vectors WHERE key IN ({','.join('?' * len(keys))})"  # noqa: S608 -- marks
        return self._do("read", lambda db: db.execute(question, keys).fetchall(), [])

    def _insert(self, db: sqlite3.Connection, values: Sequence[Value]) -> None:
        self._make_room(db, sum(len(value) for _, value in values))
        now = int(self._clock())
        db.executemany(_INSERT, [(key, now, value) for key, value in values])

    def _write_uses(self, db: sqlite3.Connection) -> None:
        some = list(itertools.islice(self._used.items(), _USES_AT_ONCE))
        for key, _ in some:
            del self._used[key]
        db.executemany("UPDATE vectors SET used = ? WHERE key = ?", [(at, key) for key, at in some])

    def _make_room(self, db: sqlite3.Connection, size: int) -> None:
        """Before anything is written, and no more than it needs: the journal holds each page that this touches."""
        in_use = _in_file(db, "page_count") - _in_file(db, "freelist_count")
        over = in_use + size * 5 // 4 + 16 * PAGE - (self.most - self._journal)
        oldest: list[tuple[int]] = []
        if over > 0:
            rows = db.execute("SELECT number, COALESCE(length(value), 0) FROM vectors ORDER BY used, number")
            while over > 0 and (row := rows.fetchone()):
                oldest.append((row[0],))
                over -= row[1]
            rows.close()
        db.executemany("DELETE FROM vectors WHERE number = ?", oldest)
        self.evicted += len(oldest)


def _in_file(db: sqlite3.Connection, count: str) -> int:
    """Bytes in the pages of which SQLite keeps this count."""
    return PAGE * int(db.execute(f"PRAGMA {count}").fetchone()[0])


def _portions(values: Iterable[Value], most: int) -> Iterator[list[Value]]:
    """One or more values each, of about so many bytes."""
    some: list[Value] = []
    size = 0
    for value in values:
        if some and size + len(value[1]) > most:
            yield some
            some, size = [], 0
        some.append(value)
        size += len(value[1])
    if some:
        yield some
