"""The house as a picture: wings, rooms by their layers, and which way imports run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import matplotlib as mpl

from tests.house.rooms import Wing, wings
from tests.paths import ROOT

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch, Rectangle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = ROOT / "docs" / "house.svg"
TITLES = {
    "bridge": "bridge/ — the service",
    "deploy": "deploy/ — the toolkit",
    "embedstack": "embedstack/ — the common ground",
}

# The same file for the same house, and legible on a light page and on a dark one.
_STYLE = {"svg.hashsalt": "embedstack", "svg.fonttype": "none", "font.size": 9}
_INK, _LINE, _FRAME, _DARK = "#777777", "#2f7fd0", "#999999", "#222222"
_ROOM, _COMMON = "#e8eef5", "#b9cfe8"
_STEP = 1.0  # from a layer to the one below
_HALF = 0.2  # of a room's height


@dataclass(frozen=True)
class Frame:
    """Where a wing is drawn: from its left upper corner, so wide and so high. Down is positive."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def draw(file: Path) -> None:
    """Write `file`, SVG. A room is the group `room WING NAME` in it, an arrow `arrow WING FROM TO`."""
    bridge, deploy, ground = wings()
    high = max(len(bridge.layers), len(deploy.layers)) * _STEP
    frames = {
        bridge: Frame(0.0, 0.0, 6.0, high),
        deploy: Frame(6.6, 0.0, 8.0, high),
        ground: Frame(0.0, high + _STEP, 14.6, len(ground.layers) * _STEP),
    }
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # its keys are strings here
        figure, axes = plt.subplots(figsize=(11.5, 14.5))
        for wing, frame in frames.items():
            _draw_wing(axes, wing, frame)
        for wing in (bridge, deploy):
            x = frames[wing].x + 0.85 * frames[wing].width  # beside the title of the ground
            start, end = (x, high + 0.1), (x, high + _STEP - 0.1)
            _draw_arrow(axes, start, end, f"arrow house {wing.name} {ground.name}")
        axes.set(xlim=(-0.2, 14.8), ylim=(high + _STEP + frames[ground].height + 0.2, -0.7))
        axes.axis("off")
        figure.subplots_adjust(0.0, 0.0, 1.0, 1.0)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _draw_wing(axes: Axes, wing: Wing, frame: Frame) -> None:
    axes.add_patch(Rectangle((frame.x, frame.y), frame.width, frame.height, fill=False, edgecolor=_FRAME, lw=0.8))
    axes.text(frame.x, frame.y - 0.15, TITLES[wing.name], color=_INK, fontsize=11)
    places = {room: place for level, layer in enumerate(wing.layers) for room, place in _places(layer, level, frame)}
    for start, end in sorted(wing.arrows):
        (x, y), (u, v) = places[start], places[end]
        _draw_arrow(axes, (x, y + _HALF), (u, v - _HALF), f"arrow {wing.name} {start} {end}")
    for room, (x, y) in places.items():
        colour = _COMMON if room in wing.common else _ROOM
        _draw_room(axes, room, (x, y), colour, f"room {wing.name} {room}")


def _places(layer: Sequence[str], level: int, frame: Frame) -> Iterator[tuple[str, tuple[float, float]]]:
    """The middle of each room of a layer. Rows of one or two are drawn a little aside, by turns: arrows that skip a
    layer do not run through its rooms."""
    widths = [_width(room) for room in layer]
    free = frame.width - sum(widths)
    gap = min(0.5, free / (len(layer) + 1))
    aside = (-1) ** level * max(0.0, min(0.9, free / 2 - gap * len(layer)))
    x = frame.middle + aside - (sum(widths) + gap * (len(layer) - 1)) / 2
    for room, width in zip(layer, widths, strict=True):
        yield room, (x + width / 2, frame.y + (level + 0.5) * _STEP)
        x += width + gap


def _width(room: str) -> float:
    return 0.4 + 0.115 * len(room)


def _draw_room(axes: Axes, room: str, middle: tuple[float, float], colour: str, name: str) -> None:
    (x, y), width = middle, _width(room)
    box = Rectangle((x - width / 2, y - _HALF), width, 2 * _HALF, facecolor=colour, edgecolor=_INK, lw=0.8)
    box.set_gid(name)
    axes.add_patch(box)
    axes.text(x, y, room, color=_DARK, ha="center", va="center")


def _draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], name: str) -> None:
    arrow = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, color=_LINE, lw=0.8, shrinkA=0, shrinkB=0)
    arrow.set_gid(name)
    axes.add_patch(arrow)


def drawn(file: Path) -> set[tuple[str, ...]]:
    """The rooms and arrows of such a file, as ("room", wing, name) and ("arrow", wing, start, end)."""
    groups = ElementTree.parse(file).iter("{http://www.w3.org/2000/svg}g")  # noqa: S314 -- our own file
    names = (tuple(group.get("id", "").split()) for group in groups)
    return {name for name in names if name and name[0] in ("room", "arrow")}


def to_draw() -> set[tuple[str, ...]]:
    """What `drawn` finds in a file that is not stale."""
    bridge, deploy, ground = wings()
    outside = {("arrow", "house", wing.name, ground.name) for wing in (bridge, deploy)}
    rooms = {("room", wing.name, room) for wing in wings() for room in wing.rooms}
    return outside | rooms | {("arrow", wing.name, *arrow) for wing in wings() for arrow in wing.arrows}
