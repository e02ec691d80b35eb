"""Two lanes, bounded: queries before documents, clients in turn, and what was taken back is never run. Pure.

Fair turns among named flows, on as many levels as a name has parts. Pure.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from embedstack.bridge.errors import QueueFull
from embedstack.bridge.request import Lane
from embedstack.bridge.traffic.item import Item
from embedstack.bridge.traffic.pace import OVERHEAD, Pace, retry_after

T = TypeVar("T")


class Turns(Generic[T]):
    """Start-time fair queueing: anyone who has been given least so far is next, first in first out inside a flow.

    `alive` False marks what was taken back: it is passed over, and counts for nothing. `cost` is what an item takes of
    the engine's time, in any unit above zero.
    """

    def __init__(self, alive: Callable[[T], bool], cost: Callable[[T], float]) -> None:
        self._alive = alive
        self._cost = cost
        self._items: deque[T] = deque()
        self._flows: dict[str, Turns[T]] = {}
        self._heap: list[tuple[float, int, str]] = []  # (virtual start, order of arrival, flow)
        self._arrivals = 0
        self._now = 0.0
        # Flows that are empty but ahead of the others: one that asks again at once does not begin again.
        self._ahead: dict[str, float] = {}

    def push(self, path: Sequence[str], item: T) -> None:
        """Put an item at the end of its flow."""
        if not path:
            self._items.append(item)
            return
        name = path[0]
        flow = self._flows.get(name)
        if flow is None:
            flow = self._flows[name] = Turns(self._alive, self._cost)
            self._enter(name, max(self._now, self._ahead.pop(name, 0.0)))
        flow.push(path[1:], item)

    def pop(self, fits: Callable[[T], bool] | None = None) -> T | None:
        """The next item; None where there is none, or where it does not fit: then it stays the next."""
        while self._items:
            if not self._alive(self._items[0]):
                self._items.popleft()
            elif fits is None or fits(self._items[0]):
                return self._items.popleft()
            else:
                return None
        while self._heap:
            start, _, name = self._heap[0]
            flow = self._flows[name]
            item = flow.pop(fits)
            if item is not None:
                self._charge(start, name, flow, item)
                return item
            if flow.waits:
                return None
            heapq.heappop(self._heap)
            self._leave(name, start)
        return None

    @property
    def waits(self) -> bool:
        """Whether anything is left, taken back or not."""
        return bool(self._items or self._heap)

    def prune(self) -> None:
        """Let go of everything that was taken back."""
        self._items = deque(item for item in self._items if self._alive(item))
        for _, _, name in self._heap:
            self._flows[name].prune()
        gone = {name for name, flow in self._flows.items() if not flow.waits}
        for name in gone:
            del self._flows[name]
        self._heap = [entry for entry in self._heap if entry[2] not in gone]
        heapq.heapify(self._heap)

    def _charge(self, start: float, name: str, flow: Turns[T], item: T) -> None:
        self._now = start
        after = start + self._cost(item)
        heapq.heappop(self._heap)
        if flow.waits:
            self._enter(name, after)
        else:
            self._leave(name, after)

    def _enter(self, name: str, start: float) -> None:
        self._arrivals += 1
        heapq.heappush(self._heap, (start, self._arrivals, name))

    def _leave(self, name: str, reached: float) -> None:
        del self._flows[name]
        if not self._heap:
            self._ahead.clear()
            self._now = 0.0
            return
        if reached > self._now:
            self._ahead[name] = reached
        if len(self._ahead) > 2 * len(self._flows) + 64:
            self._ahead = {flow: start for flow, start in self._ahead.items() if start > self._now}


# How many items that were taken back may lie about before they are looked for.
_MOST_DEAD = 1_000


def cost_of(item: Item) -> float:
    return item.size + OVERHEAD


class Scheduler:
    """What waits for an engine. `texts` and `size` (bytes) bound it; `bulk_share` is what documents keep of the engine
    while queries never end.
    """

    def __init__(self, *, texts: int, size: int, bulk_share: float) -> None:
        self._most_texts = texts
        self._most_bytes = size
        self.bulk_share = bulk_share
        self._lanes: dict[Lane, Turns[Item]] = {lane: _turns(lane) for lane in ("interactive", "bulk")}
        self._texts: dict[Lane, int] = {"interactive": 0, "bulk": 0}
        self._bytes: dict[Lane, int] = {"interactive": 0, "bulk": 0}
        self._dead = 0
        self._credit = 0.0  # of the bulk lane, in cost
        self._last_bulk = 0.0  # cost of its last slice: what the next one is taken to cost
        self.pace = Pace()

    @property
    def waiting_texts(self) -> int:
        return self._texts["interactive"] + self._texts["bulk"]

    @property
    def waiting_bytes(self) -> int:
        return self._bytes["interactive"] + self._bytes["bulk"]

    def waiting(self, lane: Lane) -> int:
        return self._texts[lane]

    def check_room(self, texts: int, size: int, engines: int) -> None:
        """QueueFull, with an honest time, where so much more exceeds a bound and the queue is not empty."""
        if not self.waiting_texts:
            return
        if self.waiting_texts + texts > self._most_texts or self.waiting_bytes + size > self._most_bytes:
            raise QueueFull(
                f"{self.waiting_texts} texts of {self.waiting_bytes} bytes wait for the engine already; "
                f"at most {self._most_texts} texts and {self._most_bytes} bytes may.",
                "Try again later, or raise limits.queue_texts and limits.queue_bytes.",
                retry_after=retry_after(self.seconds_ahead("bulk", engines)),
            )

    def push(self, items: Sequence[Item]) -> None:
        for item in items:
            self._count(item, 1)
            self._lanes[item.lane].push(item.flow, item)

    def promote(self, item: Item) -> None:
        """A query waits for it now as well. Its place among the documents is passed over when its turn comes there."""
        if item.waits and item.lane == "bulk":
            self._count(item, -1)
            item.lane = "interactive"
            self._count(item, 1)
            self._lanes["interactive"].push(item.flow, item)
            self._bury()

    def drop(self, item: Item) -> None:
        """Nobody waits for it any more: it will not be run."""
        item.drop()
        self._count(item, -1)
        self._bury()

    def take(self, texts: int, size: int, lane: Lane | None = None) -> list[Item]:
        """The next slice, of one lane and for one call: the next item, and further ones while the texts are no more
        than so many and the bytes no more than so many. `lane`: of this one, for an engine that serves both at once.
        """
        if lane is not None:
            return self._slice(lane, texts, size)[0]
        lane = self._next_lane()
        if lane is None:
            return []
        items, total = self._slice(lane, texts, size)
        self._settle(lane, total)
        return items

    def seconds_ahead(self, lane: Lane, engines: int) -> float | None:
        """Until an item that came now would have its turn, at the measured pace; None while nothing was measured."""
        lanes: tuple[Lane, ...] = ("interactive",) if lane == "interactive" else ("interactive", "bulk")
        cost = sum(self._bytes[each] + OVERHEAD * self._texts[each] for each in lanes)
        return self.pace.seconds(cost, engines)

    def _slice(self, lane: Lane, texts: int, size: int) -> tuple[list[Item], float]:
        turns, items, total = self._lanes[lane], list[Item](), 0
        while len(items) < texts:
            item = turns.pop(_fits(items[0].keep_alive, size - total) if items else None)
            if item is None:
                break
            item.take()
            self._count(item, -1)
            items.append(item)
            total += item.size
        return items, total + OVERHEAD * len(items)

    def _next_lane(self) -> Lane | None:
        if not self._texts["bulk"]:
            return "interactive" if self._texts["interactive"] else None
        if not self._texts["interactive"]:
            return "bulk"
        return "bulk" if self.bulk_share and self._credit >= max(1.0, self._last_bulk) else "interactive"

    def _settle(self, lane: Lane, cost: float) -> None:
        """What queries take while documents wait gives those a claim on their share."""
        if lane == "bulk":
            self._credit = max(0.0, self._credit - cost)
            self._last_bulk = cost
        elif self._texts["bulk"]:
            self._credit += cost * self.bulk_share / (1 - self.bulk_share)
        if not self._texts["bulk"]:
            self._credit = 0.0

    def _count(self, item: Item, by: int) -> None:
        self._texts[item.lane] += by
        self._bytes[item.lane] += by * item.size

    def _bury(self) -> None:
        self._dead += 1
        if self._dead > _MOST_DEAD + self.waiting_texts:
            self._dead = 0
            for turns in self._lanes.values():
                turns.prune()


def _turns(lane: Lane) -> Turns[Item]:
    return Turns(lambda item: item.waits and item.lane == lane, cost_of)


def _fits(keep_alive: object, room: int) -> Callable[[Item], bool]:
    return lambda item: item.size <= room and item.keep_alive == keep_alive
