"""The cache with its two tiers, memory and disk.

The tier in memory holds the most recently used vectors within a limit of bytes.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs

from embedstack.bridge.cache.disk import DiskStore
from embedstack.bridge.cache.tier import DiskTier
from embedstack.bridge.request import Row
from embedstack.bridge.settings.structs import CacheSettings
from embedstack.contract.answers import CacheStats

# Bytes of an entry besides its numbers: key, row, array, table and the allocator's rounding. Measured.
ENTRY_OVERHEAD = 1536


class MemoryTier:
    """The least recently used rows are evicted first. With 0 bytes, nothing is kept."""

    def __init__(self, most_bytes: int) -> None:
        self.most = most_bytes
        self.bytes = 0
        self._rows: OrderedDict[bytes, Row] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: bytes) -> Row | None:
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, key: bytes, row: Row) -> None:
        size = row.vector.nbytes + ENTRY_OVERHEAD
        if size > self.most:
            return
        self.discard(key)
        self._rows[key] = _own(row)
        self.bytes += size
        while self.bytes > self.most:
            _, oldest = self._rows.popitem(last=False)
            self.bytes -= oldest.vector.nbytes + ENTRY_OVERHEAD

    def discard(self, key: bytes) -> None:
        row = self._rows.pop(key, None)
        if row is not None:
            self.bytes -= row.vector.nbytes + ENTRY_OVERHEAD

    def clear(self) -> None:
        self._rows.clear()
        self.bytes = 0


def _own(row: Row) -> Row:
    """The row with memory of its own: a view would keep the whole matrix or answer alive."""
    vector, base = row.vector, row.vector.base
    held = base.nbytes if isinstance(base, np.ndarray) else len(base) if isinstance(base, bytes) else None
    if base is not None and (held is None or held > vector.nbytes + ENTRY_OVERHEAD):
        vector = vector.copy()
    if vector is row.vector and not vector.flags.writeable:
        return row
    vector.flags.writeable = False
    return Row(vector, row.tokens)


class Cache:
    """Rows by key (bridge.index.fingerprint). `folder` None: nothing outlives this process."""

    def __init__(self, memory_bytes: int, disk: DiskTier | None) -> None:
        self._memory = MemoryTier(memory_bytes)
        self._disk = disk
        self._forgetting: set[asyncio.Task[None]] = set()
        self.get = self._memory.get  # saves a call in every request

    @property
    def folder(self) -> Path | None:
        return self._disk.store.folder if self._disk else None

    def maybe_on_disk(self, key: bytes) -> bool:
        return self._disk is not None and self._disk.may_hold(key)

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """The rows of these keys that are on disk. They are in memory from now on."""
        found = await self._disk.find(keys) if self._disk else {}
        for key, row in found.items():
            self._memory.put(key, row)
        return found

    def put(self, key: bytes, row: Row) -> None:
        self._memory.put(key, row)
        if self._disk:
            self._disk.put(key, row)

    async def discard(self, keys: Sequence[bytes]) -> None:
        """Forget rows that are no longer valid."""
        for key in keys:
            self._memory.discard(key)
        if self._disk:
            await self._disk.discard(keys)

    def forget(self, keys: Sequence[bytes]) -> None:
        """`discard`, without waiting for it to finish."""
        if keys:
            task = asyncio.create_task(self.discard(keys))
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)

    async def clear(self) -> None:
        self._memory.clear()
        if self._disk:
            await self._disk.clear()

    async def stats(self) -> CacheStats:
        memory = self._memory
        return CacheStats(len(memory), memory.bytes, memory.most, await self._disk.stats() if self._disk else None)

    async def close(self) -> None:
        if self._disk:
            await self._disk.close()


def open_cache(settings: CacheSettings, dimensions: int) -> Cache:
    """Never raises: a fault of the disk is logged, and shows in the statistics."""
    folder = settings.folder or platformdirs.user_cache_path("embedstack") / "bridge"
    disk = DiskTier(DiskStore(folder, settings.disk), dimensions) if settings.disk else None
    return Cache(settings.memory, disk)
