"""One figure beside what it is compared with, and what was aimed at."""

from collections.abc import Mapping, Sequence

import msgspec

Points = Sequence[tuple[float, float]]


class Outcome(msgspec.Struct, frozen=True):
    """`bridge` is the figure, in the unit that `figure` names; `beside` says the same of the alternatives, in words.
    At most one bound is set.
    """

    benchmark: str
    figure: str
    bridge: float
    beside: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def reached(self) -> bool | None:
        """None where nothing was aimed at."""
        if self.at_least is not None:
            return self.bridge >= self.at_least
        return None if self.at_most is None else self.bridge <= self.at_most

    @property
    def aim(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:,g}"
        return "" if self.at_most is None else f"≤ {self.at_most:,g}"


class Result(msgspec.Struct, frozen=True):
    """What one benchmark found: figures, and lines for a plot by name."""

    outcomes: Sequence[Outcome]
    lines: Mapping[str, Points] = {}
