"""docs/house.svg shows the house as it is."""

from tests.house.picture import FILE, drawn, to_draw
from tests.house.rooms import wings
from tests.paths import ROOT


def test_the_picture_is_not_stale() -> None:
    """It has the rooms and arrows that the sources have; `make picture` draws it again."""
    assert drawn(FILE) == to_draw()


def test_the_picture_shows_what_it_is_looked_at_for() -> None:
    """Who reads it sees the way of a request, and which wings stand on the ground."""
    shown = drawn(FILE)
    assert {("arrow", "bridge", "api", "pipeline"), ("arrow", "bridge", "pipeline", "supply")} <= shown
    assert {("arrow", "house", "bridge", "embedstack"), ("arrow", "house", "deploy", "embedstack")} <= shown


def test_a_room_of_the_picture_is_a_folder_or_a_file() -> None:
    """None is drawn that nobody finds."""
    bridge, deploy, ground = wings()
    for wing, folder in ((bridge, "bridge"), (deploy, "deploy"), (ground, "embedstack")):
        for room in wing.rooms:
            assert (ROOT / folder / room).is_dir() or (ROOT / folder / f"{room}.py").is_file(), room
