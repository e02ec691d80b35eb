"""How fast the engines are, measured, and so how long a wait will be. Pure.

How long a request is kept while no engine gets on: all its waits together, however often an engine came and went. How
an engine that interrupts documents for questions divides its time.
"""

import math
import time
from collections.abc import Callable

from embedstack.bridge.traffic.item import Ticket

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


class Patience:
    """`seconds` for each request. Time counts as lost while no engine serves, and with each call that fails, and not
    while an engine is at work: it may be slow, or the queue long.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._lost = 0.0
        self._seen = clock()  # until when it is known how the time was spent
        self._waiting: dict[Ticket, tuple[float, float]] = {}  # what was lost, and the time, when it came; in order

    def begin(self, ticket: Ticket) -> None:
        self._waiting[ticket] = (self._lost, self._clock())

    def end(self, ticket: Ticket) -> None:
        self._waiting.pop(ticket, None)

    def lose(self) -> None:
        """Nothing has come of the time since the last word."""
        now = self._clock()
        self._lost += now - self._seen
        self._seen = now

    def use(self) -> None:
        """An engine has got on in the time since the last word."""
        self._seen = self._clock()

    def overdue(self) -> list[Ticket]:
        """Those that have lost as much as they have patience for, the oldest first."""
        now, found = self._clock(), list[Ticket]()
        for ticket, (lost, began) in self._waiting.items():
            # What was lost before it came is not its own.
            if min(self._lost - lost, now - began) < self.seconds:
                break
            found.append(ticket)
        return found


NEGLECT_AFTER = 1.0
"""Seconds with documents before their share is looked at: one question at their beginning does not neglect them."""


class Attention:
    """Seconds that an engine has had documents, and how many of them questions took."""

    def __init__(self) -> None:
        self._documents, self._questions = 0, 0  # calls in flight
        self._since = 0.0
        self._total, self._taken = 0.0, 0.0

    def changed(self, documents: int, questions: int, now: float) -> None:
        """So many calls of each are in flight from `now` on."""
        self._count(now)
        if not self._documents:
            self._total, self._taken = 0.0, 0.0
        self._documents, self._questions = documents, questions

    def neglects(self, share: float, now: float) -> bool:
        """Whether documents that are with the engine have had less than this share of its time."""
        self._count(now)
        if not self._documents or self._total < NEGLECT_AFTER:
            return False
        return self._total - self._taken < share * self._total

    def _count(self, now: float) -> None:
        passed, self._since = now - self._since, now
        if self._documents:
            self._total += passed
            self._taken += passed if self._questions else 0.0
