"""A text that waits for its vector, and the request that waits for several such texts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from embedstack.bridge.errors import BridgeError
from embedstack.bridge.request import KeepAlive, Lane, Row

State = Literal["waiting", "running", "done"]


@dataclass(frozen=True, slots=True)
class Errand:
    """What the texts of one request have in common. `flow` names whose turn it is; `landed` is called for each text
    that is done, with its row or without.
    """

    lane: Lane
    flow: Sequence[str]
    keep_alive: KeepAlive
    landed: Callable[[Item, Row | None], None]


class Item:
    """One final text on its way, however many requests wait for it. `size` in bytes; `prompt`: how many of its first
    characters are a prompt that others may begin with too. By `key` it is known to have ended
    engines, no matter who sends it, by `cache_key` in its owner's part of the cache. Only its own methods change
    `state`.
    """

    __slots__ = (
        *("_landed", "cache_key", "died_at", "flow", "forsake", "keep_alive", "key", "lane"),
        *("prompt", "rounds", "size", "state", "text", "tickets", "tried"),
    )

    def __init__(
        self, key: bytes, text: str, errand: Errand, cache_key: bytes | None = None, *, prompt: int = 0
    ) -> None:
        self.key = key
        self.prompt = prompt
        self.cache_key = key if cache_key is None else cache_key
        self.text = text
        self.size = len(text) if text.isascii() else len(text.encode())
        self.lane: Lane = errand.lane
        self.flow = errand.flow
        self.keep_alive = errand.keep_alive
        self._landed = errand.landed
        self.state: State = "waiting"
        self.tickets: list[tuple[Ticket, int]] = []
        self.died_at = -1  # the pool's count of good calls when an engine last ended under it alone
        self.rounds = 0  # engines that failed under it
        self.tried: set[str] = set()  # their names
        self.forsake: Callable[[], None] | None = None  # set while an engine has it that can leave it alone

    @property
    def waits(self) -> bool:
        return self.state == "waiting"

    def take(self) -> None:
        """Out of the queue, for an engine."""
        self.state = "running"

    def starts(self, now: float, forsake: Callable[[], None] | None = None) -> None:
        """An engine has it now; the first of a request's texts ends its wait. `forsake`: how the engine learns that
        nobody waits for it any more.
        """
        self.forsake = forsake
        for ticket, _ in self.tickets:
            ticket.started = ticket.started or now

    def failed_at(self, engine: str) -> None:
        """An engine failed under it; it may be tried again."""
        self.rounds += 1
        self.tried.add(engine)

    def deliver(self, row: Row) -> None:
        self.state = "done"
        self._landed(self, row)
        for ticket, index in self.tickets:
            ticket.put(index, row)

    def fail(self, error: BridgeError) -> None:
        self.state = "done"
        self._landed(self, None)
        for ticket, index in tuple(self.tickets):
            ticket.fail(error if not error.about_text or ticket.count == 1 else error.at(index))

    def drop(self) -> None:
        """Nobody waits for it: it is not run, or not run again."""
        self.state = "done"
        self._landed(self, None)

    def forsaken(self) -> bool:
        """Whether nobody waits for it any more; then it is dropped."""
        if self.tickets:
            return False
        self.drop()
        return True


class Ticket:
    """A request's stake in the texts it waits for: `rows` in the order of its texts, None where one is still missing.

    `drop` is called for a text that nobody waits for any more. `done` is resolved with None, or with the first error.
    """

    __slots__ = ("_drop", "began", "count", "done", "items", "missing", "rows", "started")

    def __init__(self, rows: list[Row | None], done: asyncio.Future[None], drop: Callable[[Item], None]) -> None:
        self.count = len(rows)
        self.rows = rows
        self.missing = 0
        self.done = done
        self.items: list[Item] = []
        self.began = 0.0  # perf_counter seconds
        self.started = 0.0  # the same, at which an engine took the first of its texts; 0 before
        self._drop = drop

    def wait_for(self, item: Item, index: int) -> None:
        item.tickets.append((self, index))
        self.items.append(item)
        self.missing += 1

    def put(self, index: int, row: Row) -> None:
        self.rows[index] = row
        self.missing -= 1
        if not self.missing and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: BridgeError) -> None:
        """End with an error, and give up what is still waiting for this request alone."""
        if not self.done.done():
            self.done.set_exception(error)
        self.leave()

    def leave(self) -> None:
        items, self.items = self.items, []
        for item in items:
            if item.state != "done":
                item.tickets = [entry for entry in item.tickets if entry[0] is not self]
                if item.tickets:
                    continue
                if item.waits:
                    self._drop(item)
                elif item.forsake:
                    item.drop()
                    item.forsake()
