"""Retries that end: hiccups are tried again, broken state is reset, one text's fault is not another's, and tokens that
an engine counted for several texts together are shared out. The sharing is pure.
"""

import asyncio
import logging
import math
from collections.abc import Sequence

from embedstack.bridge.backends.base import Backend, Call, EngineBusy, EngineDown
from embedstack.bridge.backends.checks import BrokenVectors, check
from embedstack.bridge.errors import BridgeError, ClientGone, EngineError, EngineTimeout, EngineUnavailable
from embedstack.bridge.request import KeepAlive, Row
from embedstack.vectors.mrl import cut


def shares(total: int, texts: Sequence[str]) -> list[int]:
    """`total` split over texts by their bytes, EOS for each included; the parts add up to it exactly.

    No engine says what a single text of a batch took. A text that was embedded alone has its exact count.
    """
    sizes = [len(text.encode()) for text in texts]
    rest, bytes_left = total - len(texts), sum(sizes)  # an EOS each first
    parts = []
    for size in sizes:
        part = round(rest * size / bytes_left) if bytes_left else 0
        parts.append(1 + part)
        rest -= part
        bytes_left -= size
    if parts:
        parts[-1] += rest
    return parts


log = logging.getLogger(__name__)

FIRST_DELAY = 0.2  # seconds; doubled at each further attempt

Outcome = Row | BridgeError


class Resilient:
    """A backend's `embed` with checks and bounded retries. `attempts` counts the first."""

    def __init__(self, backend: Backend, *, dimensions: int, attempts: int) -> None:
        self._backend = backend
        self._dimensions = dimensions
        self._attempts = attempts

    async def embed(
        self,
        texts: Sequence[str],
        keep_alive: KeepAlive,
        *,
        may_reset: bool = True,
        patience: float = math.inf,
        call: Call | None = None,
    ) -> list[Outcome]:
        """A checked row, or what is wrong with it, for each of the final texts, in order. EngineUnavailable or
        EngineTimeout where the engine is at fault and not a text. No attempt begins after `patience` seconds.
        """
        until = asyncio.get_running_loop().time() + patience
        try:
            return await self._attempt(texts, keep_alive, until, may_reset=may_reset, call=call)
        except (EngineUnavailable, EngineTimeout):
            raise
        except BridgeError as error:
            if len(texts) == 1:
                return [_light(error)]
            log.warning("%s Each of the %d texts is tried alone.", error.message, len(texts))
            return await self._each_alone(texts, keep_alive, error, until)

    async def reset(self) -> None:
        """A failure is logged, and shows in the next call."""
        try:
            await self._backend.reset()
        except EngineError as error:
            log.warning("the reset failed: %s", error)

    async def _each_alone(
        self, texts: Sequence[str], keep_alive: KeepAlive, together: BridgeError, until: float
    ) -> list[Outcome]:
        """Where one fails for no fault of its own, the engine makes no vectors at all, and no further one is tried."""
        outcomes: list[Outcome] = []
        for text in texts:
            try:
                outcomes += await self._attempt([text], keep_alive, until, may_reset=False)
            except (EngineUnavailable, EngineTimeout):
                raise
            except BridgeError as error:
                if not error.about_text:
                    return [*outcomes, *[together] * (len(texts) - len(outcomes))]
                outcomes.append(_light(error))
        return outcomes

    async def _attempt(
        self,
        texts: Sequence[str],
        keep_alive: KeepAlive,
        until: float,
        *,
        may_reset: bool,
        call: Call | None = None,
    ) -> list[Outcome]:
        """One engine call, tried again while the engine is busy or down, and once after a reset where it answered NaN,
        null or zero. EngineDied is left to the caller, who can tell which text did it."""
        delay = FIRST_DELAY
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._once(texts, keep_alive, call)
            except BrokenVectors as error:
                if not may_reset or attempt == self._attempts:
                    raise
                log.warning("%s; resetting the engine", error.message)
                may_reset = False
                await self.reset()
            except (EngineBusy, EngineDown) as error:
                if attempt == self._attempts or asyncio.get_running_loop().time() + delay > until:
                    error.retry_after = error.retry_after or 2
                    raise
                await asyncio.sleep(delay)
                delay *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _once(self, texts: Sequence[str], keep_alive: KeepAlive, call: Call | None) -> list[Outcome]:
        answer = await self._backend.embed(texts, keep_alive=keep_alive, call=call)
        made = answer.vectors
        if answer.cancelled:
            made = made[[index for index in range(len(texts)) if index not in answer.cancelled]]
        vectors = check(made, count=len(texts) - len(answer.cancelled), dimensions=self._dimensions, unit=True)
        # To exactly 1, once: what is cached and cut later then needs no look at its length.
        vectors = cut(vectors, self._dimensions)
        vectors.flags.writeable = False
        if len(texts) == 1 and not answer.cancelled:
            return [Row(vectors[0], answer.tokens)]
        counts, rows = answer.counts or shares(answer.tokens, texts), iter(vectors)
        return [
            ClientGone("The client went away.") if index in answer.cancelled else Row(next(rows), count)
            for index, count in enumerate(counts)
        ]


def _light(error: BridgeError) -> BridgeError:
    """Without the frames that it went through: they hold the engine's whole answer for as long as the error is kept."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error
