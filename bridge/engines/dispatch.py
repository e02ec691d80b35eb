"""Which text goes to which engine next: queries before documents, suspects alone, and what failed once elsewhere."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from embedstack.bridge.engines.engine import Engine
from embedstack.bridge.engines.fleet import Fleet
from embedstack.bridge.traffic.item import Item
from embedstack.bridge.traffic.scheduler import Scheduler

# Slices that may go before a suspect: it needs an engine to itself.
MOST_OVERTAKEN = 8


class Give(Protocol):
    """Starts a call. `alone`: nothing else may be with the engine meanwhile."""

    def __call__(self, engine: Engine, items: list[Item], *, alone: bool) -> None: ...


class Dispatch:
    """`give` is called with what an engine is to do now; `suspects` tells of a key whether its text goes alone."""

    def __init__(self, scheduler: Scheduler, fleet: Fleet, *, suspects: Callable[[bytes], bool], give: Give) -> None:
        self._scheduler = scheduler
        self._fleet = fleet
        self._engines = fleet.engines
        self._is_suspect = suspects
        self._give = give
        self._suspects: deque[Item] = deque()
        self._again: deque[Item] = deque()  # failed at an engine, through no fault of theirs
        self._successes = 0  # calls that ended well
        self._overtaken = 0  # slices that went before the suspects that wait
        self._gathered = False
        self._gathering: asyncio.TimerHandle | None = None

    def close(self) -> None:
        if self._gathering:
            self._gathering.cancel()

    def push(self, items: Sequence[Item]) -> None:
        """Texts that come for the first time."""
        ordinary = []
        for item in items:
            if self._is_suspect(item.key):
                item.take()
                self._suspects.append(item)
            else:
                ordinary.append(item)
        self._scheduler.push(ordinary)
        self.pump()

    def suspect(self, item: Item) -> None:
        """An engine ended under it: it goes again, alone."""
        self._suspects.append(item)

    def again(self, item: Item) -> None:
        """An engine failed under it, through no fault of the text."""
        self._again.append(item)

    def succeeded(self) -> None:
        """A call ended well."""
        self._successes += 1

    def ended_alone(self, item: Item) -> None:
        """An engine ended under this text alone: until a call ends well, another one goes first."""
        item.died_at = self._successes

    def let_go(self) -> None:
        """Of what nobody waits for any more."""
        self._suspects = deque(item for item in self._suspects if not item.forsaken())
        self._again = deque(item for item in self._again if not item.forsaken())

    def empty(self) -> list[Item]:
        """Everything that waits; nothing does from now on."""
        items = [*self._suspects, *self._again]
        self._suspects.clear()
        self._again.clear()
        while taken := self._scheduler.take(1_000, 1 << 30):
            items += taken
        return items

    def pump(self) -> None:
        """Give every engine what it can take, the least busy first."""
        while any(self._give_next(engine) for engine in sorted(self._engines, key=_busy) if engine.takes_more):
            pass

    def _give_next(self, engine: Engine) -> bool:
        items, alone = self._next(engine)
        if not items:
            return False
        self._give(engine, items, alone=alone)
        return True

    def _next(self, engine: Engine) -> tuple[list[Item], bool]:
        """A slice, empty where the engine is to wait, and whether it goes alone."""
        if self._suspects and (self._overtaken >= MOST_OVERTAKEN or not self._scheduler.waiting("interactive")):
            return self._suspect(engine)
        if engine.free and (item := self._retried(engine)) is not None:
            return [item], False
        if self._waits_for_more(engine):
            return [], False
        self._overtaken += bool(self._suspects)
        return self._slice(engine), False

    def _slice(self, engine: Engine) -> list[Item]:
        use = engine.ready.use if engine.ready else None
        if use is None:
            return []
        # Over the engines that are free, not over the calls that each could take: many small calls gain nothing.
        free = sum(each.free > 0 for each in self._engines)
        share = math.ceil(self._scheduler.waiting_texts / max(1, free))
        texts = max(1, min(engine.limits.batch, share))
        if not use.urgent:
            return self._scheduler.take(texts, use.slice_bytes)
        if engine.free_for_questions and not engine.neglects_documents(self._scheduler.bulk_share):
            items = self._scheduler.take(texts, use.slice_bytes, "interactive")
            if items:
                return items
        return self._scheduler.take(texts, use.slice_bytes, "bulk") if engine.free else []

    def _suspect(self, engine: Engine) -> tuple[list[Item], bool]:
        """A text under which an engine ended goes alone, to an engine that does nothing else meanwhile. After an end
        under it alone another text goes first, if one waits: what ends under that as well is not ended by a text.
        """
        if engine.in_flight:
            return [], False
        self._overtaken = 0
        self.let_go()
        item = next((one for one in self._suspects if one.died_at != self._successes), None)
        if item is None:
            retried = self._retried(engine)
            items = self._slice(engine) if retried is None else [retried]
            if items or not self._suspects:
                return items, False
            item = self._suspects[0]
        self._suspects.remove(item)
        return [item], True

    def _retried(self, engine: Engine) -> Item | None:
        """What failed elsewhere; at the engine where it failed only when no other could take it."""
        self.let_go()
        for index, item in enumerate(self._again):
            if engine.name not in item.tried or not self._fleet.serves_other_than(item.tried):
                del self._again[index]
                return item
        return None

    def _waits_for_more(self, engine: Engine) -> bool:
        """Single texts are gathered for a moment where the engine profits; never while it would stand idle."""
        if engine.ready is None or not engine.ready.use.gather or not engine.in_flight or self._gathered:
            return False
        if not 0 < self._scheduler.waiting_texts < engine.limits.batch:
            return False
        if self._gathering is None:
            loop = asyncio.get_running_loop()
            self._gathering = loop.call_later(engine.ready.use.gather, self._end_gathering)
        return True

    def _end_gathering(self) -> None:
        self._gathering = None
        self._gathered = True
        self.pump()
        self._gathered = False


def _busy(engine: Engine) -> int:
    return engine.in_flight
