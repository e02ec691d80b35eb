"""The end of logs, what comes after it, and how they are kept small."""

import errno
from pathlib import Path
from typing import NoReturn

import pytest

from embedstack.deploy.native import logs
from embedstack.deploy.native.logs import Line
from embedstack.deploy.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path).create()


def test_a_log_that_is_not_there_has_no_lines(places: Places) -> None:
    """A part that was never started is not an error."""
    assert logs.tail(places.logs / "x.log", 3) == []


@pytest.mark.parametrize("count", [0, 1, 3, 20_000, 30_000])
def test_as_many_lines_as_asked_for(tmp_path: Path, count: int) -> None:
    """Whole ones, however far back they begin."""
    log = tmp_path / "x.log"
    lines = [f"line {number} {'x' * (number % 50)}" for number in range(20_000)]
    log.write_text("\n".join(lines) + "\n")
    assert logs.tail(log, count) == (lines[-count:] if count else [])


def test_each_part_is_named(places: Places) -> None:
    """One part after the other, in the order asked for."""
    (places.logs / "b.log").write_text("one\ntwo\n")
    (places.logs / "a.log").write_text("three\n")
    assert logs.parts(places) == ("a", "b")
    assert list(logs.last(places, ["b", "a"], 1)) == [Line("b", "two"), Line("a", "three")]


def test_what_comes_is_followed_past_a_rotation(places: Places) -> None:
    """Lines once they are finished; a file that begins again is read from its beginning."""
    log = places.logs / "a.log"
    log.write_text("before\n")
    followed = logs.Followed("a", log)
    with log.open("a") as file:
        file.write("half")
        file.flush()
        assert list(followed.new()) == []
        file.write(" a line\n")
    assert list(followed.new()) == [Line("a", "half a line")]
    log.write_text("new\n")
    assert list(followed.new()) == [Line("a", "new")]
    log.unlink()
    assert list(followed.new()) == []


def test_following_ends_after_the_time_given(places: Places) -> None:
    """With nothing written there is nothing to tell."""
    assert list(logs.follow(places, ["a"], stop_after=0.1)) == []


def test_only_what_is_too_large_is_rotated_and_the_oldest_goes(tmp_path: Path) -> None:
    """At most three older ones are kept, the newest as .1."""
    log = tmp_path / "x.log"
    assert not logs.rotate(log)
    for number in range(5):
        log.write_text(f"{number}" * 100)
        assert logs.rotate(log, largest=50, kept=3)
        assert log.read_text() == ""
    assert [(tmp_path / f"x.log.{n}").read_text()[0] for n in (1, 2, 3)] == ["4", "3", "2"]
    assert len(list(tmp_path.iterdir())) == 4
    log.write_text("short")
    assert not logs.rotate(log, largest=50)


def test_where_the_disk_is_full_the_log_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fills the disk must not grow on because it cannot be copied."""

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    log = tmp_path / "x.log"
    log.write_text("x" * 100)
    assert logs.rotate(log, largest=50)
    assert [path.name for path in tmp_path.iterdir()] == ["x.log"]
    assert log.read_text() == ""
