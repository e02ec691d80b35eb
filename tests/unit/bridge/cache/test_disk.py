"""The store on disk: what it keeps, what it lets go, and that no fault of the disk or the file is the caller's."""

import logging
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import takewhile
from pathlib import Path

import pytest

from embedstack.bridge.cache.disk import FILE, TRY_AGAIN, USE_GRAIN, DiskStore
from embedstack.bridge.cache.tier import pack, unpack
from tests.unit.bridge.cache.cached_rows import DIMENSIONS, assert_same, key, row

MIB = 1024 * 1024
BOUND = 4 * MIB
NOBODY = 65534


class Clock:
    """Time that passes when it is advanced."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(folder: Path, clock: Clock) -> Iterator[DiskStore]:
    one = DiskStore(folder, BOUND, clock=clock)
    one.open()
    yield one
    one.close()


def put(store: DiskStore, numbers: range, dimensions: int = DIMENSIONS) -> None:
    store.put([(key(number), pack(row(number, dimensions))) for number in numbers])


def held(store: DiskStore, numbers: range, dimensions: int = DIMENSIONS) -> list[int]:
    """Which of these are there; each is looked at."""
    found = store.find([key(number) for number in numbers])
    there = [number for number in numbers if key(number) in found]
    for number in there:
        assert_same(row(number, dimensions), unpack(found[key(number)], dimensions))
    return there


OPENED: list[DiskStore] = []


@pytest.fixture(autouse=True)
def _closed_at_the_end() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def closed_at_the_end(store: DiskStore) -> DiskStore:
    OPENED.append(store)
    return store


def reopened(folder: Path, most: int = BOUND) -> DiskStore:
    store = closed_at_the_end(DiskStore(folder, most))
    store.open()
    return store


# --- keeping --------------------------------------------------------------------------------------------------------


def test_what_was_put_is_there_after_a_new_start(store: DiskStore, folder: Path) -> None:
    """More keys than one question to SQLite takes."""
    put(store, range(1200))
    store.close()

    assert held(reopened(folder), range(1300)) == list(range(1200))


def test_only_its_owner_can_read_it(store: DiskStore, folder: Path) -> None:
    """Vectors tell of the texts: the folder is 0700, and each file 0600."""
    put(store, range(3))

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {FILE, f"{FILE}-wal", f"{FILE}-shm"} == {file.name for file in folder.iterdir()}
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("dimensions", [32, 1024, 2560, 4096])
@pytest.mark.slow
def test_the_files_stay_within_the_bound(folder: Path, dimensions: int) -> None:
    """The journal counted, at every moment; and most of the bound is used."""
    store = reopened(folder)
    value = pack(row(1, dimensions))
    most = 0
    for start in range(0, 3 * BOUND // (4 * dimensions + 100), 200):
        store.put([(key(number), value) for number in range(start, start + 200)])
        most = max(most, store.size())

    assert BOUND // 2 < most <= BOUND
    assert (store.state, store.faults) == ("on", 0)
    assert store.evicted
    assert store.entries() * 4 * dimensions > BOUND // 4


def test_the_oldest_use_is_evicted_first(store: DiskStore, clock: Clock) -> None:
    """A vector that is asked for again and again stays, whenever it was written."""
    put(store, range(100), 2560)
    for start in range(100, 2000, 100):
        clock.now += USE_GRAIN
        assert held(store, range(10), 2560) == list(range(10))
        put(store, range(start, start + 100), 2560)
        store.flush()

    assert store.evicted > 1000
    assert held(store, range(10, 100), 2560) == []
    assert held(store, range(1900, 2000), 2560) == list(range(1900, 2000))


def test_a_lower_bound_holds_from_the_next_start(store: DiskStore, folder: Path) -> None:
    """A file that is larger than it may be by now is emptied, and used on."""
    put(store, range(250), 2560)
    store.close()
    smaller = reopened(folder, MIB)
    put(smaller, range(40), 2560)

    assert held(smaller, range(40), 2560) == list(range(40))
    assert smaller.size() <= MIB


def test_clearing_gives_the_room_back(store: DiskStore) -> None:
    """Also on the disk."""
    put(store, range(200), 2560)
    store.clear()

    assert (store.entries(), store.state) == (0, "on")
    assert store.size() < MIB // 4


# --- two at one folder ----------------------------------------------------------------------------------------------


def test_two_at_one_folder_see_each_other(store: DiskStore, folder: Path) -> None:
    """Each is sent the keys that the other has written, also after one of them cleared it."""
    other = reopened(folder)
    put(store, range(10))
    assert other.changed_elsewhere()
    assert set(other.new_keys(100)) == {key(number) for number in range(10)}
    assert not other.changed_elsewhere()
    other.clear()
    put(store, range(20, 25))

    assert other.changed_elsewhere()
    assert set(other.new_keys(100)) == {key(number) for number in range(20, 25)}
    assert held(other, range(30)) == list(range(20, 25))


def test_every_key_is_reported_however_few_at_a_time(store: DiskStore) -> None:
    """Also those that are written while the others are sent; and all of them once more on demand."""
    put(store, range(95))
    reported = store.new_keys(10)
    put(store, range(95, 130))
    while some := store.new_keys(10):
        reported += some
    assert set(reported) == {key(number) for number in range(130)}
    put(store, range(130, 133))
    assert store.new_keys(10) == [key(number) for number in range(130, 133)]
    store.tell_all_again()

    assert len(store.new_keys(1000)) == 133


def test_a_file_that_was_replaced_is_not_used_on(store: DiskStore, folder: Path) -> None:
    """Another process set it aside, or somebody deleted it: both go on with the new one, and set no good one aside."""
    put(store, range(5))
    for file in folder.iterdir():
        file.unlink()
    other = reopened(folder)
    put(other, range(5, 10))

    assert store.changed_elsewhere()
    assert held(store, range(10)) == list(range(5, 10))
    assert store.set_aside == 0


@pytest.mark.slow
def test_a_file_that_is_being_written_to_is_not_set_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor by one that starts meanwhile."""
    monkeypatch.setattr("embedstack.bridge.cache.file._BUSY", 0.01)
    first = reopened(folder)
    put(first, range(3))
    assert first._db is not None
    first._db.execute("BEGIN IMMEDIATE")
    second = reopened(folder)
    put(second, range(3, 6))
    first._db.execute("ROLLBACK")

    assert (first.set_aside, second.set_aside) == (0, 0)
    assert held(first, range(6)) == [0, 1, 2]


# --- kill -9 --------------------------------------------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
from embedstack.bridge.cache.disk import DiskStore
from embedstack.bridge.cache.tier import pack
from tests.unit.bridge.cache.cached_rows import key, row
store = DiskStore(Path(sys.argv[1]), int(sys.argv[2]))
store.open()
start = int(sys.argv[3])
for first in range(start, start + 100_000, 8):
    store.put([(key(number), pack(row(number))) for number in range(first, first + 8)])
    print(first + 8, flush=True)
"""


ROOM = 64 * MIB  # for all that a writer writes before a slow machine ends it: nothing is evicted


def _kill_while_it_writes(folder: Path, start: int, after: int) -> int:
    """The number before which everything had been written."""
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), str(ROOM), str(start)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    output = [int(writer.stdout.readline()) for _ in range(after)]
    writer.kill()
    output += [int(line) for line in writer.stdout.read().split()]
    writer.wait()
    writer.stdout.close()
    return output[-1]


def _survives_kills(folder: Path, rounds: int) -> None:
    chance = random.Random(1)  # noqa: S311 -- to be the same in every run
    for start in range(0, 1_000_000 * rounds, 1_000_000):
        end = _kill_while_it_writes(folder, start, chance.randrange(1, 60))
        store = reopened(folder, ROOM)
        there = held(store, range(start, end + 8))
        assert there[: end - start] == list(range(start, end))
        put(store, range(start + 900_000, start + 900_002))
        assert len(held(store, range(start + 900_000, start + 900_002))) == 2
        assert (store.state, store.faults, store.set_aside) == ("on", 0, 0)
        store.close()


@pytest.mark.process
def test_kill_9_during_writes_loses_nothing_that_was_written(folder: Path) -> None:
    """What stands there is whole, and new vectors are taken."""
    _survives_kills(folder, 4)


@pytest.mark.thorough
def test_100_times_kill_9_during_writes(folder: Path) -> None:
    """The same, at a hundred moments."""
    _survives_kills(folder, 100)


# --- a damaged file -------------------------------------------------------------------------------------------------


def _garbage(path: Path, start: float, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * start))
        file.write(random.Random(2).randbytes(size))  # noqa: S311 -- to be the same in every run


def _no_database(path: Path) -> None:
    path.write_bytes(b"This is a text file. " * 1000)


def _other_schema(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE vectors (something INTEGER)")
        db.execute("PRAGMA user_version = 99")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "garbage over its head": lambda path: _garbage(path, 0, 8192),
    "garbage in its middle": lambda path: _garbage(path, 0.05, 400_000),
    "cut short": lambda path: os.truncate(path, path.stat().st_size // 3),
    "cut short within a page": lambda path: os.truncate(path, 5000),
    "a text": _no_database,
    "another schema": _other_schema,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
def test_a_damaged_file_is_set_aside(
    folder: Path, damage: Callable[[Path], None], is_open: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Before the start or while it is in use: no exception, no wrong vector, one line in the log, and a new file."""
    store = reopened(folder)
    put(store, range(1000))
    store.close()
    if is_open:
        store = reopened(folder)
    with caplog.at_level(logging.WARNING):
        damage(folder / FILE)
        store = store if is_open else reopened(folder)
        store.changed_elsewhere()
        held(store, range(1000))
        store.new_keys(2000)
        put(store, range(2000, 3000))

    assert held(store, range(2000, 3000)) == list(range(2000, 3000))
    assert store.state == "on"
    # The head of an open file is in SQLite's memory, and is written again from there.
    assert store.set_aside == (0 if is_open and damage is DAMAGES["garbage over its head"] else 1)
    assert (folder / f"{FILE}.damaged").exists() == bool(store.set_aside)
    assert len([record for record in caplog.records if "is kept as" in record.message]) == store.set_aside
    store.close()
    again = reopened(folder)
    assert again.set_aside == 0
    assert held(again, range(2000, 3000)) == list(range(2000, 3000))


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "garbage in its middle"])
def test_damage_is_noticed_at_the_start(folder: Path, damage: str) -> None:
    """The first vectors that are asked for show it."""
    store = reopened(folder)
    put(store, range(1000))
    store.close()
    DAMAGES[damage](folder / FILE)
    store = reopened(folder)
    held(store, range(1000))

    assert (store.set_aside, store.state, store.entries()) == (1, "on", 0)


def test_only_one_damaged_file_is_kept(folder: Path) -> None:
    """They would fill the disk."""
    for _ in range(3):
        store = reopened(folder)
        put(store, range(3))
        store.close()
        _no_database(folder / FILE)

    assert reopened(folder).set_aside == 1
    assert sorted(file.name for file in folder.glob("*.damaged*")) == [f"{FILE}.damaged"]


def test_an_empty_file_is_begun_again(folder: Path) -> None:
    """As a crash of the machine may leave it."""
    folder.mkdir()
    (folder / FILE).touch()
    store = reopened(folder)
    put(store, range(3))

    assert held(store, range(3)) == [0, 1, 2]


def test_a_damaged_journal_costs_what_was_in_it(folder: Path) -> None:
    """And nothing else."""
    store = reopened(folder)
    put(store, range(10))
    store.close()
    (folder / f"{FILE}-wal").write_bytes(b"garbage" * 5000)
    store = reopened(folder)

    assert held(store, range(10)) == list(range(10))
    assert store.set_aside == 0


# --- a disk that takes nothing --------------------------------------------------------------------------------------


@pytest.fixture
def no_room() -> Iterator[Callable[[int | None], None]]:
    """Files cannot grow beyond so many bytes: as on a full disk, a write fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, before if size is None else (size, before[1]))

    yield limit
    limit(None)


def test_a_full_disk_is_read_and_tried_again_later(
    store: DiskStore, clock: Clock, no_room: Callable[[int | None], None]
) -> None:
    """Nothing is written for a minute, and all is well when there is room again."""
    put(store, range(100))
    no_room(100_000)
    put(store, range(100, 2000))
    assert (store.state, held(store, range(100))) == ("full", list(range(100)))
    no_room(None)
    put(store, range(2000, 2010))
    assert held(store, range(2000, 2010)) == []
    clock.now += TRY_AGAIN
    put(store, range(3000, 3010))

    assert held(store, range(3000, 3010)) == list(range(3000, 3010))
    assert (store.state, store.reason, store.set_aside) == ("on", "", 0)
    assert store.faults


def test_a_disk_that_is_full_at_the_start_is_tried_again_later(
    folder: Path, clock: Clock, no_room: Callable[[int | None], None]
) -> None:
    """No file can be begun; a minute later one can."""
    store = closed_at_the_end(DiskStore(folder, BOUND, clock=clock))
    no_room(1000)
    store.open()
    put(store, range(3))
    no_room(None)
    states = [store.state]
    clock.now += TRY_AGAIN
    put(store, range(3))
    states.append(store.state)

    assert held(store, range(3)) == [0, 1, 2]
    assert states == ["off", "on"]


@pytest.mark.parametrize("where", [lambda path: path, lambda path: path / "below" / "it"], ids=["it", "below it"])
def test_a_folder_that_is_a_file_is_no_cache(
    tmp_path: Path, where: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """One line says so; whatever is asked is not there."""
    (tmp_path / "file").write_text("a file")
    with caplog.at_level(logging.WARNING):
        store = reopened(where(tmp_path / "file"))
        put(store, range(3))
        store.clear()

    assert (held(store, range(3)), store.entries(), store.new_keys(9), store.state) == ([], 0, [], "off")
    assert len(caplog.records) == 1
    assert (tmp_path / "file").read_text() == "a file"


def _as_nobody(check: Callable[[], None]) -> None:
    """In a child that has no more rights than any user, since the tests may run as root."""
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setresuid(NOBODY, NOBODY, NOBODY)
            check()
        except BaseException as error:  # noqa: BLE001 -- the child must end here, whatever it is
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    until = time.monotonic() + 60
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    assert ended[1] == 0


@pytest.mark.process
@pytest.mark.parametrize("with_file", [True, False], ids=["a store", "nothing"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork beside threads: the child starts none
def test_a_folder_that_cannot_be_written_to_is_read(folder: Path, tmp_path: Path, with_file: bool) -> None:
    """What is in it is found; nothing is written, and nothing fails."""
    folder.mkdir()
    if with_file:
        store = reopened(folder)
        put(store, range(10))
        store.close()
        (folder / FILE).chmod(0o444)
    folder.chmod(0o555)
    common = Path(tempfile.gettempdir())
    for parent in (tmp_path, *takewhile(lambda parent: parent != common, tmp_path.parents)):
        parent.chmod(parent.stat().st_mode | 0o055)

    def check() -> None:
        store = reopened(folder)
        put(store, range(20, 30))
        store.discard([key(1)])
        store.clear()
        assert held(store, range(40)) == (list(range(10)) if with_file else [])
        assert store.state == ("read-only" if with_file else "off")
        store.close()

    _as_nobody(check)
