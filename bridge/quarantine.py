"""Texts under which engines end: who is suspected, who is proven guilty, and for how long. Pure."""

import time
from collections import OrderedDict
from collections.abc import Callable

# Deaths alone at an engine after which a text is guilty. Before each the engine had embedded the golden texts.
PROOF = 2


class Quarantine:
    """By cache key. `seconds` that suspicion and guilt last; bounded: the oldest leave first."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._deaths: OrderedDict[bytes, tuple[int, float]] = OrderedDict()

    def died(self, key: bytes, *, alone: bool) -> bool:
        """An engine ended under this text; whether that proves its guilt. Beside others it is suspected, no more."""
        deaths = self._count(key) + (1 if alone else 0)
        self._deaths[key] = (deaths, self._clock() + self._seconds)
        self._deaths.move_to_end(key)
        while len(self._deaths) > self._most:
            self._deaths.popitem(last=False)
        return deaths >= PROOF

    def cleared(self, key: bytes) -> None:
        """It was embedded: whatever ended the engine, it was not this text."""
        if self._deaths:
            self._deaths.pop(key, None)

    def suspects(self, key: bytes) -> bool:
        """Whether it must be sent alone, so that it takes nobody else along."""
        return bool(self._deaths) and self._known(key)

    def holds(self, key: bytes) -> bool:
        """Whether it is guilty, and not sent at all."""
        return bool(self._deaths) and self._count(key) >= PROOF

    def _count(self, key: bytes) -> int:
        return self._deaths[key][0] if self._known(key) else 0

    def _known(self, key: bytes) -> bool:
        entry = self._deaths.get(key)
        if entry is None:
            return False
        if entry[1] <= self._clock():
            del self._deaths[key]
            return False
        return True
