"""Each key's part of the cache: what it depends on, and what of the key can be found on disk."""

from __future__ import annotations

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embedstack.bridge.cache.parts import SALT, Parts, open_parts
from embedstack.bridge.settings.security import ApiKey

KEYS = [hashlib.sha256(text.encode()).digest() for text in ("annual leave", "sick leave")]
ONE, OTHER = ApiKey(name="one", key="of-one"), ApiKey(name="other", key="of-the-other")


def test_where_there_are_no_parts_every_key_stays_what_it_was() -> None:
    """No matter who asks: what was kept before is found."""
    assert Parts().keys(ONE, KEYS) is Parts().keys(None, KEYS) is KEYS


def test_each_owner_has_a_part(tmp_path: Path) -> None:
    """Another one than every other key's, and than that of anyone who needs none; texts stay apart within it."""
    parts = open_parts([ONE, OTHER], tmp_path)
    found = [key for owner in (ONE, OTHER, None) for key in parts.keys(owner, KEYS)]

    assert len({*found}) == 3 * len(KEYS)
    assert {len(key) for key in found} == {32}


def test_a_part_belongs_to_the_key_and_outlives_the_process(tmp_path: Path) -> None:
    """A name tells nothing: a renamed key has what it had, and one that takes over a name has nothing of it."""
    before = open_parts([ONE, OTHER], tmp_path).keys(ONE, KEYS)
    renamed, rotated = ApiKey(name="another", key="of-one"), ApiKey(name="one", key="a-new-one")
    after = open_parts([OTHER, renamed, rotated], tmp_path)

    assert after.keys(renamed, KEYS) == before
    assert not set(after.keys(rotated, KEYS)) & set(before)


def test_without_its_folder_a_part_is_another(tmp_path: Path) -> None:
    """The salt is the folder's own, its user's alone, and is not guessed from the key."""
    one, other, memory = (
        open_parts([ONE], folder).keys(ONE, KEYS) for folder in (tmp_path / "a", tmp_path / "b", None)
    )

    assert len({*one, *other, *memory}) == 3 * len(KEYS)
    assert stat.S_IMODE((tmp_path / "a" / SALT).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "a").iterdir()] == [SALT]


def test_bridges_that_start_at_once_share_their_parts(tmp_path: Path) -> None:
    """They share a folder: the first one's salt holds for all."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: open_parts([ONE], tmp_path).keys(ONE, KEYS), range(8)))

    assert all(keys == found[0] for keys in found)


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 33])
def test_a_damaged_salt_is_made_new(tmp_path: Path, damage: bytes) -> None:
    """What was kept is not found again, which costs time and nothing else."""
    before = open_parts([ONE], tmp_path).keys(ONE, KEYS)
    (tmp_path / SALT).write_bytes(damage)
    after = open_parts([ONE], tmp_path).keys(ONE, KEYS)

    assert not set(after) & set(before)
    assert open_parts([ONE], tmp_path).keys(ONE, KEYS) == after


def test_a_folder_that_cannot_be_written_parts_memory_all_the_same(tmp_path: Path) -> None:
    """The bridge starts, and no two keys share anything."""
    (tmp_path / "file").write_text("a file")
    parts = open_parts([ONE, OTHER], tmp_path / "file")

    assert not {*parts.keys(ONE, KEYS)} & {*parts.keys(OTHER, KEYS), *KEYS}


def test_a_file_system_without_hard_links_keeps_a_salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some that containers mount have none."""

    def refuses(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuses)
    assert open_parts([ONE], tmp_path).keys(ONE, KEYS) == open_parts([ONE], tmp_path).keys(ONE, KEYS)
