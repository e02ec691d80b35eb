"""Golden vectors from one start to the next: whole or not at all, and never a reason to fail."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from embedstack.bridge.parity.golden import MOST_FILES, GoldenStore

NAME = "0123456789abcdef"
VECTORS = np.random.default_rng(1).standard_normal((5, 64)).astype(np.float32)


def test_what_was_saved_is_loaded_exactly(tmp_path: Path) -> None:
    """Bit for bit, by another object, as after a restart."""
    GoldenStore(tmp_path).save(NAME, VECTORS)

    np.testing.assert_array_equal(VECTORS, GoldenStore(tmp_path).load(NAME))


def test_another_fingerprint_has_none(tmp_path: Path) -> None:
    """Another model's vectors are nothing to compare with."""
    store = GoldenStore(tmp_path)
    store.save(NAME, VECTORS)

    assert store.load(NAME[::-1]) is None


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    """The next engine that passes sets it again."""
    store = GoldenStore(tmp_path)
    store.save(NAME, VECTORS)
    store.forget(NAME)
    store.forget(NAME)

    assert store.load(NAME) is None


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    """Files are 0600, their folder 0700, and no temporary file is left."""
    GoldenStore(tmp_path).save(NAME, VECTORS)
    (file,) = (tmp_path / "golden").iterdir()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "other"])
def test_a_damaged_file_counts_as_absent(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    """And the log says so."""
    store = GoldenStore(tmp_path)
    store.save(NAME, VECTORS)
    (file,) = (tmp_path / "golden").iterdir()
    data = bytearray(file.read_bytes())
    data[200] ^= 1
    file.write_bytes({"flip": bytes(data), "cut": bytes(data[:99]), "empty": b"", "other": b"hello " * 99}[harm])

    assert store.load(NAME) is None
    assert str(file) in caplog.text


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0123456789ABCDEF", NAME + "0"])
def test_no_path_is_made_of_anything_but_a_fingerprint(tmp_path: Path, name: str) -> None:
    """Whatever calls itself one."""
    GoldenStore(tmp_path).save(name, VECTORS)

    assert list(tmp_path.rglob("*")) == []


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And nothing else happens."""
    (tmp_path / "golden").write_text("a file where the folder belongs")
    store = GoldenStore(tmp_path)
    store.save(NAME, VECTORS)
    store.save(NAME, VECTORS)
    store.forget(NAME)

    assert store.load(NAME) is None
    assert caplog.text.count("are not kept") == 1


def test_without_a_folder_nothing_is_kept() -> None:
    """A cache without a disk has none."""
    store = GoldenStore(None)
    store.save(NAME, VECTORS)

    assert store.load(NAME) is None


def test_files_are_bounded_in_number(tmp_path: Path) -> None:
    """Of many models the oldest leaves first."""
    store = GoldenStore(tmp_path)
    for n in range(MOST_FILES + 3):
        store.save(f"{n:016x}", VECTORS)
        os.utime(tmp_path / "golden" / f"{n:016x}.npy", (n, n))
    store.save("f" * 16, VECTORS)

    assert [store.load(f"{n:016x}") is None for n in range(5)] == [True] * 4 + [False]
