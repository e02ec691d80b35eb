"""Fair turns among named flows, on as many levels as a name has parts. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Start-time fair queueing: whoever has been given least so far is next, first in first out inside a flow.

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
        # Flows that are empty but ahead of the others: one that asks again at once does not begin anew.
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
