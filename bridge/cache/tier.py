"""The disk seen from the event loop: what is asked and what is put goes to one thread.

Is a key surely not on disk? A Bloom filter, so that a miss costs no look there. Pure.

One vector as it lies on disk. Pure.
"""

import logging
import struct
import threading
import time
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from embedstack.bridge.cache.disk import DiskStore
from embedstack.bridge.cache.worker import Worker
from embedstack.bridge.request import Row
from embedstack.contract.answers import DiskStats
from embedstack.vectors.checks import UNIT
from embedstack.vectors.mrl import LITTLE_ENDIAN_F32

# Ten bits and seven probes a key: one miss in a hundred looks in vain.
_BITS, _PROBES = 10, 7
KEY_BYTES = 32


class KeyFilter:
    """For keys of 32 bytes that are themselves digests, so that their own bytes are the probes. `most` keys are meant
    to fit; `added` counts them.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.added = 0
        self._bits = bytearray(max(1024, most * _BITS // 8 + 1))
        self._size = len(self._bits) * 8

    def add(self, key: bytes) -> None:
        bits, size = self._bits, self._size
        self.added += 1
        for start in range(0, 4 * _PROBES, 4):
            place = int.from_bytes(key[start : start + 4], "little") % size
            bits[place >> 3] |= 1 << (place & 7)

    def add_all(self, keys: Iterable[bytes]) -> None:
        """The same for many, ten times as fast. What is not a key, out of a damaged file, is passed over."""
        whole = [key for key in keys if isinstance(key, bytes) and len(key) == KEY_BYTES]
        self.added += len(whole)
        words = np.frombuffer(b"".join(whole), "<u4").reshape(-1, KEY_BYTES // 4)[:, :_PROBES]
        places = (words % self._size).ravel()
        np.bitwise_or.at(
            np.frombuffer(self._bits, np.uint8), places >> 3, np.left_shift(1, places & 7).astype(np.uint8)
        )

    def __contains__(self, key: bytes) -> bool:
        bits, size = self._bits, self._size
        for start in range(0, 4 * _PROBES, 4):
            place = int.from_bytes(key[start : start + 4], "little") % size
            if not bits[place >> 3] >> (place & 7) & 1:
                return False
        return True


_HEAD = struct.Struct("<III")  # checksum of what follows it, dimensions, tokens


def pack(row: Row) -> bytes:
    """Exact: the float32 values come back bit for bit."""
    rest = struct.pack("<II", row.vector.shape[0], row.tokens)
    rest += row.vector.astype(LITTLE_ENDIAN_F32, copy=False).tobytes()
    return zlib.crc32(rest).to_bytes(4, "little") + rest


def unpack(data: bytes, dimensions: int) -> Row | None:
    """None for anything but a whole, unharmed unit vector of so many dimensions."""
    if not isinstance(data, bytes) or len(data) != _HEAD.size + 4 * dimensions:
        return None
    checksum, said, tokens = _HEAD.unpack_from(data)
    if said != dimensions or zlib.crc32(memoryview(data)[4:]) != checksum:
        return None
    vector = np.frombuffer(data, LITTLE_ENDIAN_F32, offset=_HEAD.size)
    if not abs(float(np.dot(vector, vector)) - 1) <= 2 * UNIT:
        return None
    return Row(vector, tokens)


log = logging.getLogger(__name__)

# Rows are written this many at a time, or after so many seconds; the times of their use, which can wait, after more.
BATCH, SOON, USES_SOON = 128, 0.25, 10.0
# Bytes of rows that may wait to be written; beyond, the oldest are not kept on disk.
BACKLOG = 4 * 1024 * 1024
# Seconds after which what another process wrote is looked for, when somebody asks.
SYNC = 2.0
# Seconds for which a request waits for the disk: an engine is hardly slower.
PATIENCE = 2.0
_KEYS_AT_ONCE = 2_000
_LONG = 10.0  # seconds that somebody who clears or closes the cache waits


class DiskTier:
    """Rows of `dimensions` numbers. Nothing here raises for the disk's sake, and nothing makes the loop wait for it."""

    def __init__(self, store: DiskStore, dimensions: int) -> None:
        self.store = store
        self.dropped = 0
        self.damaged = 0
        self._dimensions = dimensions
        self._filter = KeyFilter(self._most_keys())
        self._filled = False
        self._synced = 0.0
        self._backlog: dict[bytes, Row] = {}
        self._write_at: float | None = None
        self._lock = threading.Lock()
        self._worker = Worker(self, "cache")
        self._worker.start()

    def may_hold(self, key: bytes) -> bool:
        """False: it is not there. Costs microseconds and no thread."""
        if not self._worker.is_on or self._worker.is_late:
            return False
        if time.monotonic() - self._synced > SYNC:
            self._filled = False  # until it has been looked whether another process wrote it
            self._synced = time.monotonic()
            self._worker.post(self._sync)
        return not self._filled or key in self._filter

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        return await self._worker.ask(lambda: self._find(keys), {}, PATIENCE)

    def put(self, key: bytes, row: Row) -> None:
        """Kept in a moment. Returns at once."""
        if not self._worker.is_on:
            return
        with self._lock:
            if len(self._backlog) * row.vector.nbytes >= BACKLOG:
                del self._backlog[next(iter(self._backlog))]
                self.dropped += 1
            self._backlog[key] = row
            waiting = len(self._backlog)
        self._filter.add(key)
        if waiting == 1:
            self._worker.post(self._write_soon)
        elif waiting == BATCH:
            self._worker.post(self._write)

    async def discard(self, keys: Sequence[bytes]) -> None:
        await self._worker.ask(lambda: self._discard(keys), None, _LONG)

    async def clear(self) -> None:
        await self._worker.ask(self._clear, None, _LONG)

    async def stats(self) -> DiskStats:
        return await self._worker.ask(self._stats, self._stats_without(), PATIENCE)

    async def close(self) -> None:
        """What was put is written, if the disk takes it in time."""
        await self._worker.close(_LONG)

    # -- in the thread -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self.store.open()
        self._sync()

    def tick(self) -> float | None:
        """Also between two questions of a client that asks without end."""
        if self._write_at is not None and self._write_at <= time.monotonic():
            self._write()
        return None if self._write_at is None else max(0.0, self._write_at - time.monotonic())

    def end(self) -> None:
        try:
            self._write()
        finally:
            self.store.close()

    def _find(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        with self._lock:
            found = {key: self._backlog[key] for key in keys if key in self._backlog}
        values = self.store.find([key for key in keys if key not in found])
        rows = {key: unpack(value, self._dimensions) for key, value in values.items()}
        if bad := [key for key, row in rows.items() if row is None]:
            self.damaged += len(bad)
            log.warning("%s: %d damaged vectors are thrown away", self.store.path, len(bad))
            self.store.discard(bad)
        if self.store.has_uses:
            self._write_within(USES_SOON)
        return found | {key: row for key, row in rows.items() if row is not None}

    def _write_soon(self) -> None:
        self._write_within(SOON)

    def _write_within(self, seconds: float) -> None:
        at = time.monotonic() + seconds
        self._write_at = at if self._write_at is None else min(at, self._write_at)

    def _write(self) -> None:
        self._write_at = None
        with self._lock:
            backlog, self._backlog = self._backlog, {}
        if backlog:
            self.store.put((key, pack(row)) for key, row in backlog.items())
        self.store.flush()

    def _discard(self, keys: Sequence[bytes]) -> None:
        self._write()
        self.store.discard(keys)

    def _clear(self) -> None:
        with self._lock:
            self._backlog = {}
        self.store.clear()
        self._filter = KeyFilter(self._most_keys())

    def _sync(self) -> None:
        """Take what is new on disk into the filter; finds are answered in between."""
        self._synced = time.monotonic()
        changed = self.store.changed_elsewhere()
        if self._filter.added > 2 * self._filter.most:
            # Most of these have been evicted since, or the rows are smaller than ours: another model's.
            self.store.tell_all_again()
            self._filter = KeyFilter(max(self._most_keys(), self.store.entries() * 3 // 2))
            changed = True
        if changed:
            self._take_keys()
        else:
            self._filled = True

    def _take_keys(self) -> None:
        keys = self.store.new_keys(_KEYS_AT_ONCE)
        self._filter.add_all(keys)
        if len(keys) == _KEYS_AT_ONCE:
            self._worker.post(self._take_keys)
        else:
            self._filled = True

    def _most_keys(self) -> int:
        return max(1_000, self.store.most // (4 * self._dimensions))

    def _stats(self) -> DiskStats:
        return self._stats_without(self.store.entries(), self.store.size())

    def _stats_without(self, entries: int = 0, size: int = 0) -> DiskStats:
        store, is_on = self.store, self._worker.is_on
        return DiskStats(
            folder=str(store.folder),
            state=store.state if is_on else "off",
            reason=store.reason if is_on else "its thread has ended; see the bridge's log",
            entries=entries,
            bytes=size,
            most=store.most,
            faults=store.faults,
            evicted=store.evicted,
            dropped=self.dropped,
            damaged=self.damaged,
        )
