"""First in, first out, and bounded: who waits for the engine, and who is told to come back later."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.errors import QueueFull

# How much the newest measurement counts in the running mean of an engine's pace.
_WEIGHT = 0.2
_LONGEST_RETRY = 600


class EngineQueue:
    """`concurrency` requests at the engine at once; the others wait in order, `texts` and `size` (bytes) at most."""

    def __init__(self, *, concurrency: int, texts: int, size: int) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._most_texts = texts
        self._most_bytes = size
        self._seconds_per_text = 0.05
        self.waiting_texts = 0
        self.waiting_bytes = 0

    @asynccontextmanager
    async def turn(self, texts: int, size: int) -> AsyncIterator[None]:
        """Wait for a slot and hold it. QueueFull at once, with an honest time, where this request exceeds a bound."""
        if self.waiting_texts and (
            self.waiting_texts + texts > self._most_texts or self.waiting_bytes + size > self._most_bytes
        ):
            raise QueueFull(
                f"{self.waiting_texts} texts of {self.waiting_bytes} bytes wait for the engine already; "
                f"at most {self._most_texts} texts and {self._most_bytes} bytes may.",
                "Try again later, or raise limits.queue_texts and limits.queue_bytes.",
                retry_after=self.seconds_until_free(),
            )
        self.waiting_texts += texts
        self.waiting_bytes += size
        try:
            async with self._slots:
                started = asyncio.get_running_loop().time()
                yield
                self._measure(asyncio.get_running_loop().time() - started, texts)
        finally:
            self.waiting_texts -= texts
            self.waiting_bytes -= size

    def seconds_until_free(self) -> int:
        """Whole seconds until what waits now is done, at the engine's measured pace."""
        return min(_LONGEST_RETRY, max(1, math.ceil(self.waiting_texts * self._seconds_per_text)))

    def _measure(self, seconds: float, texts: int) -> None:
        self._seconds_per_text += _WEIGHT * (seconds / max(1, texts) - self._seconds_per_text)
