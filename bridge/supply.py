"""A row for every text: out of the cache, from a flight that is on its way already, or from an engine."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from embedstack.bridge.cache.cache import Cache
from embedstack.bridge.engines.pool import Pool
from embedstack.bridge.engines.quarantine import Quarantine, kept_back
from embedstack.bridge.errors import ClientGone, DeadlineMissed
from embedstack.bridge.request import Caller, Departure, Found, KeepAlive, Lane, Row, Stages
from embedstack.bridge.traffic.item import Errand, Item, Ticket
from embedstack.bridge.traffic.pace import retry_after


@dataclass(frozen=True, slots=True)
class WantedRows:
    """Final texts, their keys, and on whose behalf. `own`: their keys in the owner's part of the cache, None where it
    has no parts. `prompts`: how many characters of each text are its prompt; empty where none has one.
    """

    texts: Sequence[str]
    keys: Sequence[bytes]
    lane: Lane
    caller: Caller
    keep_alive: KeepAlive
    own: Sequence[bytes] | None = None
    prompts: Sequence[int] = ()

    @property
    def cache_keys(self) -> Sequence[bytes]:
        return self.keys if self.own is None else self.own


@dataclass(frozen=True, slots=True)
class Supplied:
    """Rows in the order of the texts, and how they were come by."""

    rows: Sequence[Row]
    found: Found
    stages: Stages


class Supply:
    """Identical texts in flight are computed once, no matter who asks."""

    def __init__(self, cache: Cache, quarantine: Quarantine, pool: Pool) -> None:
        self._cache = cache
        self._quarantine = quarantine
        self._pool = pool
        self._flights: dict[bytes, Item] = {}
        self._requests = 0

    async def rows(self, wanted: WantedRows, departure: Departure | None) -> Supplied:
        """EngineNotReady, QueueFull, DeadlineMissed, ClientGone, TextKillsEngine, or the engine's own error."""
        began = time.perf_counter()
        rows = [self._cache.get(key) for key in wanted.cache_keys]
        if None in rows:
            await self._from_disk(wanted.cache_keys, rows)
        looked = time.perf_counter() - began
        hits = sum(row is not None for row in rows)
        if hits == len(rows):
            return Supplied(_whole(rows), Found(hit=hits), Stages(cache=looked))
        ticket, fresh = self._board(wanted, rows)
        await self._arrival(ticket, wanted, departure)
        found = Found(hit=hits, joined=len(rows) - hits - fresh, miss=fresh)
        return Supplied(_whole(ticket.rows), found, _stages(looked, ticket))

    async def _from_disk(self, keys: Sequence[bytes], rows: list[Row | None]) -> None:
        missing = [key for key, row in zip(keys, rows, strict=True) if row is None and self._cache.maybe_on_disk(key)]
        if not missing:
            return
        found = await self._cache.find(missing)
        for index, key in enumerate(keys):
            if rows[index] is None:
                rows[index] = found.get(key) or self._cache.get(key)

    def _board(self, wanted: WantedRows, rows: list[Row | None]) -> tuple[Ticket, int]:
        """A ticket for what is missing, and how many texts had to be sent on their way for it."""
        missing = [index for index, row in enumerate(rows) if row is None]
        self._check(wanted, missing)
        ticket = Ticket(rows, asyncio.get_running_loop().create_future(), self._pool.drop)
        self._requests += 1
        flow = (*wanted.caller.flow, str(self._requests))
        errand = Errand(wanted.lane, flow, wanted.keep_alive, self._landed)
        fresh = []
        for index in missing:
            key = wanted.cache_keys[index]
            item = self._flights.get(key)
            if item is None:
                prompt = wanted.prompts[index] if wanted.prompts else 0
                item = Item(wanted.keys[index], wanted.texts[index], errand, key, prompt=prompt)
                self._flights[key] = item
                fresh.append(item)
            elif wanted.lane == "interactive":
                self._pool.promote(item)
            ticket.wait_for(item, index)
        self._pool.submit(fresh)
        return ticket, len(fresh)

    def _landed(self, item: Item, row: Row | None) -> None:
        if self._flights.get(item.cache_key) is item:
            del self._flights[item.cache_key]
        if row is not None:
            self._cache.put(item.cache_key, row)

    def _check(self, wanted: WantedRows, missing: Sequence[int]) -> None:
        """Everything for which a request is turned away before it waits."""
        for index in missing:
            if (error := kept_back(self._quarantine, wanted.keys[index])) is not None:
                raise error if len(wanted.keys) == 1 else error.at(index)
        self._pool.admit()
        ahead = self._pool.room(wanted.lane, len(missing), sum(len(wanted.texts[index]) for index in missing))
        timeout = wanted.caller.timeout
        if timeout is not None and ahead is not None and ahead > timeout:
            raise _missed(timeout, f"about {ahead:.1f} s of work is ahead of it", retry_after(ahead - timeout))

    async def _arrival(self, ticket: Ticket, wanted: WantedRows, departure: Departure | None) -> None:
        """Until all of it is there, an error came, the client went, or its time is up."""
        loop, timer = asyncio.get_running_loop(), None
        ticket.began = time.perf_counter()
        if (timeout := wanted.caller.timeout) is not None:
            timer = loop.call_later(timeout, self._expire, ticket, wanted)
        if departure is not None:
            departure.on_gone = lambda: ticket.fail(ClientGone("The client went away."))
            if departure.gone:
                departure.on_gone()
        self._pool.patience.begin(ticket)
        try:
            await ticket.done
        finally:
            self._pool.patience.end(ticket)
            ticket.leave()
            if timer:
                timer.cancel()
            if departure is not None:
                departure.on_gone = None

    def _expire(self, ticket: Ticket, wanted: WantedRows) -> None:
        ahead = self._pool.seconds_ahead(wanted.lane)
        ticket.fail(_missed(wanted.caller.timeout or 0.0, "it was not done by then", retry_after(ahead)))


def _missed(timeout: float, why: str, seconds: int) -> DeadlineMissed:
    return DeadlineMissed(
        f"The request has {timeout:g} s (X-Request-Timeout), and {why}.",
        "Ask again later, or give it more time.",
        retry_after=seconds,
    )


def _stages(looked: float, ticket: Ticket) -> Stages:
    now = time.perf_counter()
    started = ticket.started or ticket.began
    # What was on its way before this request came has been with an engine from its beginning.
    started = max(started, ticket.began)
    return Stages(looked, started - ticket.began, now - started)


def _whole(rows: Sequence[Row | None]) -> list[Row]:
    whole = [row for row in rows if row is not None]
    assert len(whole) == len(rows)  # noqa: S101 -- a ticket is done when its last row is there
    return whole
