"""Both tiers from the event loop: found again, never waited for, and off when they fail."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
import uvloop

from embedstack.bridge.cache import tier
from embedstack.bridge.cache.cache import Cache, open_cache
from embedstack.bridge.cache.disk import FILE, DiskStore
from embedstack.bridge.cache.tier import DiskTier
from embedstack.bridge.request import Row
from embedstack.bridge.settings.structs import CacheSettings
from tests.unit.bridge.cache.cached_rows import DIMENSIONS, assert_same, key, row

MIB = 1024 * 1024
PATIENCE = 30.0  # seconds; for a machine that is busy with engines


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that stands still for a while is not a fault, but where a test makes it one."""
    monkeypatch.setattr(tier, "PATIENCE", PATIENCE)


def opened(folder: Path) -> Cache:
    return open_cache(CacheSettings(memory=MIB, disk=8 * MIB, folder=folder), DIMENSIONS)


async def until(there: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await there():  # noqa: ASYNC110 -- nothing tells of another thread or process
            await asyncio.sleep(0.01)


async def found(cache: Cache, number: int) -> Row | None:
    """As a request looks for it: memory, and the disk where it may be there."""
    if (row := cache.get(key(number))) is not None:
        return row
    return (await cache.find([key(number)])).get(key(number)) if cache.maybe_on_disk(key(number)) else None


async def with_cache(folder: Path, work: Callable[[Cache], Awaitable[None]]) -> None:
    cache = opened(folder)
    try:
        await work(cache)
    finally:
        await cache.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_what_was_put_is_found_after_a_new_start(tmp_path: Path, run: Callable[..., None]) -> None:
    """Closing writes what waits; what is found on disk is in memory from then on."""

    async def fill(cache: Cache) -> None:
        for number in range(300):
            cache.put(key(number), row(number))

    async def look(cache: Cache) -> None:
        for number in range(300):
            assert cache.get(key(number)) is None
            assert_same(row(number), await found(cache, number))
            assert_same(row(number), cache.get(key(number)))
        stats = await cache.stats()
        assert stats.disk is not None
        assert (stats.disk.entries, stats.disk.state, stats.disk.faults) == (300, "on", 0)

    run(with_cache(tmp_path, fill))
    run(with_cache(tmp_path, look))


def test_a_row_is_written_soon_after_it_was_put(tmp_path: Path) -> None:
    """Without anybody asking, and without a close."""

    async def work(cache: Cache) -> None:
        await cache.stats()
        cache.put(key(1), row(1))

        async def is_written() -> bool:
            with closing(sqlite3.connect(f"file:{tmp_path / FILE}?mode=ro", uri=True)) as db:
                count = db.execute("SELECT COUNT(*) FROM vectors").fetchone()[0]
            return bool(count == 1)

        await until(is_written)

    asyncio.run(with_cache(tmp_path, work))


def test_a_key_that_is_nowhere_costs_no_look_at_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly: one in a hundred does."""
    # From a sync's time on, until it was made, any key may be there.
    monkeypatch.setattr(tier, "SYNC", 3600)

    async def work(cache: Cache) -> None:
        for number in range(200):
            cache.put(key(number), row(number))
        await cache.stats()
        assert all(cache.maybe_on_disk(key(number)) for number in range(200))
        assert sum(cache.maybe_on_disk(key(number)) for number in range(1000, 2000)) < 50

    asyncio.run(with_cache(tmp_path, work))


def test_two_at_one_folder_find_each_others_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the time after which they look."""
    monkeypatch.setattr(tier, "SYNC", 0.05)

    async def work(first: Cache) -> None:
        second = opened(tmp_path)
        for ours, theirs, number in ((first, second, 1), (second, first, 2)):
            ours.put(key(number), row(number))

            async def there(cache: Cache = theirs, number: int = number) -> bool:
                return await found(cache, number) is not None

            await until(there)
            assert_same(row(number), theirs.get(key(number)))
        await second.close()

    asyncio.run(with_cache(tmp_path, work))


def test_clearing_and_discarding_forget(tmp_path: Path) -> None:
    """In both tiers, and what was not yet written too."""

    async def work(cache: Cache) -> None:
        for number in range(10):
            cache.put(key(number), row(number))
        await cache.discard([key(1)])
        assert set(await cache.find([key(1), key(2)])) == {key(2)}
        assert await found(cache, 1) is None
        await cache.clear()
        assert await cache.find([key(number) for number in range(10)]) == {}
        assert (await found(cache, 2), (await cache.stats()).memory_bytes) == (None, 0)

    asyncio.run(with_cache(tmp_path, work))


def test_a_damaged_value_is_a_miss_and_thrown_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One bit is enough; the others stay."""

    async def fill(cache: Cache) -> None:
        for number in range(3):
            cache.put(key(number), row(number))

    async def look(cache: Cache) -> None:
        assert set(await cache.find([key(0), key(1), key(2)])) == {key(0), key(2)}
        stats = (await cache.stats()).disk
        assert stats is not None
        assert (stats.damaged, stats.entries) == (1, 2)

    asyncio.run(with_cache(tmp_path, fill))
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        (value,) = db.execute("SELECT value FROM vectors WHERE key = ?", [key(1)]).fetchone()
        flipped = bytes([*value[:99], value[99] ^ 4, *value[100:]])
        db.execute("UPDATE vectors SET value = ? WHERE key = ?", [flipped, key(1)])
    with caplog.at_level(logging.WARNING):
        asyncio.run(with_cache(tmp_path, look))
    assert "1 damaged vectors are thrown away" in caplog.text


# --- a disk that is slow, or fails in a way that nobody thought of ----------------------------------------------------


class SlowDisk(DiskStore):
    """Answers a question only when it is let go."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 8 * MIB)
        self.go = threading.Event()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        self.go.wait(PATIENCE)
        return super().find(keys)


def test_a_slow_disk_makes_neither_the_loop_nor_a_request_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request goes on to an engine, and so do the next ones, until the disk answers again."""

    async def work() -> None:
        disk = SlowDisk(tmp_path)
        cache = Cache(0, DiskTier(disk, DIMENSIONS))
        cache.put(key(1), row(1))
        await cache.stats()
        monkeypatch.setattr(tier, "PATIENCE", 0.5)
        asking = asyncio.create_task(cache.find([key(1)]))
        turns = 0
        began = time.monotonic()
        while not asking.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await asking, time.monotonic() - began < 10) == ({}, True)
        assert turns > 10
        assert not cache.maybe_on_disk(key(1))
        monkeypatch.setattr(tier, "PATIENCE", PATIENCE)
        disk.go.set()

        async def answers() -> bool:
            return cache.maybe_on_disk(key(1))

        await until(answers)
        assert_same(row(1), (await cache.find([key(1)])).get(key(1)))
        await cache.close()

    asyncio.run(work())


def test_a_disk_that_is_too_slow_for_what_comes_costs_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits to be written has a bound; what is let go is counted."""
    monkeypatch.setattr(tier, "BACKLOG", 10 * 4 * DIMENSIONS)
    monkeypatch.setattr(tier, "PATIENCE", 0.05)

    async def work() -> None:
        disk = SlowDisk(tmp_path)
        cache = Cache(0, DiskTier(disk, DIMENSIONS))
        await cache.find([key(99)])
        for number in range(25):
            cache.put(key(number), row(number))
        disk.go.set()
        keys = [key(number) for number in range(25)]

        async def all_there() -> bool:
            return (await cache.find(keys)).keys() == set(keys[15:])

        await until(all_there)
        assert (await cache.stats()).disk.dropped == 15  # type: ignore[union-attr]
        await cache.close()

    asyncio.run(work())


class BrokenDisk(DiskStore):
    """Fails as only a fault in our own code does."""

    def __init__(self, folder: Path, at: str) -> None:
        super().__init__(folder, 8 * MIB)
        self._at = at
        setattr(self, at, self.fail)

    def fail(self, *_: object) -> None:
        if self._at == "close":
            super().close()
        raise RuntimeError("unforeseen")


@pytest.mark.parametrize("at", ["open", "changed_elsewhere", "new_keys", "find", "put", "flush", "entries", "close"])
def test_an_unforeseen_fault_is_a_cache_that_finds_nothing(tmp_path: Path, at: str) -> None:
    """Nobody is left waiting, and nobody sees an exception."""

    async def work() -> None:
        cache = Cache(MIB, DiskTier(BrokenDisk(tmp_path, at), DIMENSIONS))
        async with asyncio.timeout(PATIENCE):
            for number in range(200):
                cache.put(key(number), row(number))
                cache.maybe_on_disk(key(number + 1000))
            await asyncio.gather(*[cache.find([key(number)]) for number in range(1000, 1050)])
            assert_same(row(199), cache.get(key(199)))
            await cache.stats()
            await cache.clear()
            await cache.close()
            assert await cache.find([key(1)]) == {}
            assert not cache.maybe_on_disk(key(1))
            assert (await cache.stats()).disk.state == "off"  # type: ignore[union-attr]

    asyncio.run(work())


def test_without_a_disk_there_is_the_memory() -> None:
    """As configured by `disk: 0`."""

    async def work() -> None:
        cache = open_cache(CacheSettings(memory=MIB, disk=0), DIMENSIONS)
        cache.put(key(1), row(1))
        assert_same(row(1), cache.get(key(1)))
        assert (cache.folder, cache.maybe_on_disk(key(2)), await cache.find([key(2)])) == (None, False, {})
        assert (await cache.stats()).disk is None
        await cache.clear()
        assert cache.get(key(1)) is None
        await cache.close()

    asyncio.run(work())
