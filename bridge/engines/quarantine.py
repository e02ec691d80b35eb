"""Texts under which engines end, or of which they make no vector: suspected, proven guilty, and for how long. Pure.

What is answered for a text that is kept back, and why.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from embedstack.bridge.backends.checks import BrokenVectors
from embedstack.bridge.errors import BridgeError, TextKillsEngine

# Deaths alone at an engine after which a text is guilty. Before each the engine had embedded the golden texts.
PROOF = 2
# Ends of engines that are remembered, and for how many seconds each speaks for another cause than a text.
MOST_ENDS, DOUBT = 100, 60.0
# Seconds for which no engine is reset again for a text that a reset has not helped.
RESET_HELD = 600.0


class Expiring:
    """A number by cache key, for `seconds`; bounded: the oldest leave first."""

    def __init__(self, seconds: float, clock: Callable[[], float], most: int) -> None:
        self._seconds, self._clock, self._most = seconds, clock, most
        self._entries: OrderedDict[bytes, tuple[int, float]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __getitem__(self, key: bytes) -> int:
        """0 for what is not known, or not any more."""
        entry = self._entries.get(key)
        if entry is None:
            return 0
        if entry[1] <= self._clock():
            del self._entries[key]
            return 0
        return entry[0]

    def __setitem__(self, key: bytes, value: int) -> None:
        self._entries[key] = (value, self._clock() + self._seconds)
        self._entries.move_to_end(key)
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def __contains__(self, key: bytes) -> bool:
        return bool(self._entries) and self[key] > 0

    def drop(self, key: bytes) -> None:
        if self._entries:
            self._entries.pop(key, None)


class Quarantine:
    """By cache key. `seconds` that suspicion and guilt last; 0 keeps nothing back."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._clock = clock
        self._present = Expiring(seconds, clock, most)  # deaths it was there at, alone or not
        self._deaths = Expiring(seconds, clock, most)  # alone
        self._guilty = Expiring(seconds, clock, most)
        self._broken = Expiring(seconds, clock, most)  # times that no vector was made of it
        self._reset = Expiring(RESET_HELD, clock, most)
        self._ends: deque[tuple[bytes, float]] = deque(maxlen=MOST_ENDS)  # under what alone, and how long that counts

    # -- texts under which an engine ends ------------------------------------------------------------------------------

    def died(self, key: bytes, *, alone: bool) -> bool:
        """An engine ended under this text; whether that proves its guilt. Beside others it is suspected, no more.

        An engine that ends under other texts alone as well is being ended by something else: an operator, or want of
        memory. Each such end asks for one more proof.
        """
        self._present[key] = 1
        if not alone:
            return key in self._guilty
        self._ends.append((key, self._clock() + DOUBT))
        self._deaths[key] += 1
        if self._deaths[key] >= PROOF + self._unexplained(key):
            self._guilty[key] = 1
        return key in self._guilty

    def absolved(self, key: bytes) -> None:
        """The engine ended under a harmless text right afterwards: the ends under this one prove nothing."""
        self._deaths.drop(key)

    def suspects(self, key: bytes) -> bool:
        """Whether it must be sent alone, so that it takes nobody else along."""
        return key in self._present

    def holds(self, key: bytes) -> bool:
        """Whether it is guilty, and not sent at all."""
        return key in self._guilty

    # -- texts of which an engine makes no vector ----------------------------------------------------------------------

    def broke(self, key: bytes, *, proven: bool) -> None:
        """A reset has not helped, while the engine makes right vectors of other texts. Where those were of the same
        call, or this text was alone in it, that is proof; else the second time is.
        """
        self._reset[key] = 1
        self._broken[key] = PROOF if proven else self._broken[key] + 1

    def breaks(self, key: bytes) -> bool:
        """Whether it is not sent at all, since no vector comes of it."""
        return bool(self._broken) and self._broken[key] >= PROOF

    def was_reset_for(self, key: bytes) -> bool:
        """Whether a reset of the engine for its sake was in vain."""
        return key in self._reset

    def cleared(self, key: bytes) -> None:
        """It was embedded: whatever went wrong, it was not this text."""
        for memory in (self._present, self._deaths, self._guilty, self._broken, self._reset):
            memory.drop(key)

    def _unexplained(self, key: bytes) -> int:
        """Ends under other texts alone that are not guilty of them, and that no engine has embedded since."""
        while self._ends and self._ends[0][1] <= self._clock():
            self._ends.popleft()
        return sum(other != key and other in self._deaths and other not in self._guilty for other, _ in self._ends)


def guilty() -> TextKillsEngine:
    return TextKillsEngine(
        "it ended the engine twice, alone, and is not sent again for now; other texts are not at fault.",
        "Send the request again without it, and report the text to the engine's makers. If the engine's log says that "
        "it was killed from outside, give it more memory instead.",
    )


def spoilt() -> BrokenVectors:
    return BrokenVectors(
        "the engine makes no finite vector of it, after a reset either, and it is not sent again for now; other texts "
        "are not at fault.",
        "Send the request again without it; another quantisation (bf16, Q8_0) or an engine on the CPU may take it.",
    )


def kept_back(quarantine: Quarantine, key: bytes) -> BridgeError | None:
    """Why a text is not sent at all; None where it may be."""
    if quarantine.holds(key):
        return guilty()
    return spoilt() if quarantine.breaks(key) else None
