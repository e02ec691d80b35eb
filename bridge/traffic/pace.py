"""How fast the engines are, measured, and so how long a wait will be. Pure."""

import math

# How much the newest measurement counts in the running mean.
_WEIGHT = 0.2
# What a call costs besides its bytes, in bytes.
OVERHEAD = 64
_LONGEST = 600


class Pace:
    """Seconds an engine takes for a byte of text; unknown until something has been measured."""

    def __init__(self) -> None:
        self._seconds_per_byte: float | None = None

    def measure(self, cost: float, seconds: float) -> None:
        """A call of `cost` bytes took `seconds` of one engine's time."""
        measured = seconds / max(1.0, cost)
        known = self._seconds_per_byte
        self._seconds_per_byte = measured if known is None else known + _WEIGHT * (measured - known)

    def seconds(self, cost: float, engines: int) -> float | None:
        """Until so many bytes are done by so many calls at once; None while nothing is known."""
        if self._seconds_per_byte is None:
            return None
        return cost * self._seconds_per_byte / max(1, engines)


def retry_after(seconds: float | None) -> int:
    """For the header: whole seconds, at least 1; 5 where nothing has been measured."""
    return 5 if seconds is None else min(_LONGEST, max(1, math.ceil(seconds)))
