"""Both tiers as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from embedstack.bridge.cache.disk import DiskStore
from embedstack.bridge.cache.memory import MemoryTier
from embedstack.bridge.cache.tier import DiskStats, DiskTier
from embedstack.bridge.request import Row
from embedstack.bridge.settings.structs import Cache as CacheSettings


@dataclass(frozen=True, slots=True)
class CacheStats:
    """`disk` None: there is none, as configured."""

    memory_entries: int
    memory_bytes: int
    memory_most: int
    disk: DiskStats | None


class Cache:
    """Rows by key (bridge.fingerprint). `folder` None: nothing is kept beyond this process."""

    def __init__(self, memory_bytes: int, disk: DiskTier | None) -> None:
        self._memory = MemoryTier(memory_bytes)
        self._disk = disk
        self.get = self._memory.get  # on the road of every request: one call less

    @property
    def folder(self) -> Path | None:
        return self._disk.store.folder if self._disk else None

    def maybe_on_disk(self, key: bytes) -> bool:
        return self._disk is not None and self._disk.may_hold(key)

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """What is on disk of these; in memory from now on."""
        found = await self._disk.find(keys) if self._disk else {}
        for key, row in found.items():
            self._memory.put(key, row)
        return found

    def put(self, key: bytes, row: Row) -> None:
        self._memory.put(key, row)
        if self._disk:
            self._disk.put(key, row)

    async def discard(self, keys: Sequence[bytes]) -> None:
        """Forget rows that are no longer true."""
        for key in keys:
            self._memory.discard(key)
        if self._disk:
            await self._disk.discard(keys)

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
    """Never raises: what is wrong with the disk is logged, and shows in the statistics."""
    folder = settings.folder or platformdirs.user_cache_path("embedstack") / "bridge"
    disk = DiskTier(DiskStore(folder, settings.disk), dimensions) if settings.disk else None
    return Cache(settings.memory, disk)
