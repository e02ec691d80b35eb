"""Retries that end: hiccups are tried again, a text that kills the engine is found and named, broken state is reset."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Sequence

import numpy as np

from bridge.backends.base import Backend, Embedded, EngineBusy, EngineDied, EngineDown
from bridge.checks import BrokenVectors, check
from bridge.errors import EngineError, TextKillsEngine
from bridge.request import KeepAlive
from bridge.shared_lock import SharedLock

log = logging.getLogger(__name__)

FIRST_DELAY = 0.2  # seconds; doubled at each further attempt
PROBE = "hello"


class Quarantine:
    """Texts that killed the engine twice, by digest, for `seconds` each. Bounded: the oldest leave first."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._until: dict[bytes, float] = {}

    def add(self, text: str) -> None:
        while len(self._until) >= self._most:
            del self._until[next(iter(self._until))]
        self._until[_digest(text)] = self._clock() + self._seconds

    def holds(self, text: str) -> bool:
        if not self._until:
            return False
        until = self._until.get(key := _digest(text))
        if until is None:
            return False
        if until <= self._clock():
            del self._until[key]
            return False
        return True


class Resilient:
    """A backend's `embed` with checks and bounded retries. `attempts` counts the first."""

    def __init__(self, backend: Backend, *, dimensions: int, attempts: int, quarantine: Quarantine) -> None:
        self._backend = backend
        self._dimensions = dimensions
        self._attempts = attempts
        self._quarantine = quarantine
        self._engine = SharedLock()

    async def embed(self, texts: Sequence[str], keep_alive: KeepAlive, offset: int = 0) -> Embedded:
        """Checked vectors (n, native) of final texts. `offset` is the first text's index in the client's request."""
        self.admit(texts, offset)
        try:
            async with self._engine.shared():
                return await self._attempt(texts, keep_alive, offset)
        except EngineDied as error:
            log.warning("the engine ended under %d texts: %s", len(texts), error)
        # It took every other call in flight along: only what is now sent alone shows whose text it was.
        async with self._engine.alone():
            self.admit(texts, offset)
            return await self._find(texts, keep_alive, offset)

    def admit(self, texts: Sequence[str], offset: int = 0) -> None:
        """TextKillsEngine where a text is in quarantine."""
        for index, text in enumerate(texts):
            if self._quarantine.holds(text):
                raise _killer(offset + index, "has ended the engine before and is not sent again for now")

    async def _find(self, texts: Sequence[str], keep_alive: KeepAlive, offset: int) -> Embedded:
        """The vectors of texts under which the engine ended, by halves, until the one that did it stands alone."""
        if len(texts) == 1:
            return await self._once_more(texts[0], keep_alive, offset)
        middle = len(texts) // 2
        left = await self._half(texts[:middle], keep_alive, offset)
        right = await self._half(texts[middle:], keep_alive, offset + middle)
        return Embedded(np.concatenate([left.vectors, right.vectors]), left.tokens + right.tokens)

    async def _half(self, texts: Sequence[str], keep_alive: KeepAlive, offset: int) -> Embedded:
        try:
            return await self._attempt(texts, keep_alive, offset)
        except EngineDied as error:
            log.warning("the engine ended under %d of these: %s", len(texts), error)
            return await self._find(texts, keep_alive, offset)

    async def _once_more(self, text: str, keep_alive: KeepAlive, index: int) -> Embedded:
        try:
            await asyncio.sleep(FIRST_DELAY)
            return await self._attempt([text], keep_alive, index)
        except EngineDied:
            # Only an engine that embeds something harmless proves that it was this text.
            await self._attempt([PROBE], keep_alive, 0)
            self._quarantine.add(text)
            raise _killer(index, "ended the engine twice") from None

    async def _attempt(self, texts: Sequence[str], keep_alive: KeepAlive, first: int) -> Embedded:
        """One engine call, tried again while the engine is busy or down, and once after a reset where it answered NaN,
        null or zero. EngineDied is left to the caller, who can tell which text did it."""
        delay, may_reset = FIRST_DELAY, True
        for attempt in range(1, self._attempts + 1):
            try:
                answer = await self._backend.embed(texts, keep_alive=keep_alive)
                vectors = check(answer.vectors, count=len(texts), dimensions=self._dimensions, first=first, unit=True)
                return Embedded(vectors, answer.tokens)
            except BrokenVectors as error:
                if not may_reset or attempt == self._attempts:
                    raise
                log.warning("%s; resetting the engine", error.message)
                may_reset = False
                await self._reset()
            except (EngineBusy, EngineDown) as error:
                if attempt == self._attempts:
                    error.retry_after = error.retry_after or 2
                    raise
                await asyncio.sleep(delay)
                delay *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _reset(self) -> None:
        try:
            await self._backend.reset()
        except EngineError as error:
            log.warning("the reset failed: %s", error)


def _killer(index: int, what: str) -> TextKillsEngine:
    return TextKillsEngine(
        f"input {index} {what}; the other texts of this request are not at fault.",
        f"Send the request again without input {index}, and report the text to the engine's makers.",
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
