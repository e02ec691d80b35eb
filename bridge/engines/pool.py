"""Several engines as one: slices go to whichever is free, and what fails at one goes to another."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from embedstack.bridge.backends.base import Backend, EngineBusy, EngineDied, EngineDown
from embedstack.bridge.backends.checks import BrokenVectors
from embedstack.bridge.engines.engine import Engine, EngineLimits, not_ready
from embedstack.bridge.engines.outage import Outage
from embedstack.bridge.engines.quarantine import Quarantine, guilty
from embedstack.bridge.engines.retry import Outcome
from embedstack.bridge.errors import BridgeError
from embedstack.bridge.index.fingerprint import Fingerprint
from embedstack.bridge.observe.telemetry import Telemetry
from embedstack.bridge.parity.gate import Gate
from embedstack.bridge.request import Row
from embedstack.bridge.text.length import LengthGuard, limit_of
from embedstack.bridge.traffic.item import Item
from embedstack.bridge.traffic.pace import OVERHEAD
from embedstack.bridge.traffic.scheduler import Scheduler

log = logging.getLogger(__name__)

# Engines under which a text may fail before its request does.
MOST_ROUNDS = 3
# Slices that may go before a suspect: it needs an engine to itself.
MOST_OVERTAKEN = 8


@dataclass(frozen=True, slots=True)
class Member:
    """An engine as the configuration asks for it."""

    backend: Backend
    limits: EngineLimits


class Pool:
    """`done` is told of every text that left the pool, with its row or without; `forget` of keys whose rows may have
    been another model's. `patience`: seconds for which a request is kept, all in all, while no engine gets on that
    once served.
    """

    def __init__(
        self,
        gate: Gate,
        scheduler: Scheduler,
        quarantine: Quarantine,
        telemetry: Telemetry,
        *,
        patience: float,
        done: Callable[[Item, Row | None], None],
        forget: Callable[[Sequence[bytes]], None],
    ) -> None:
        self.gate = gate
        self.scheduler = scheduler
        self.engines: list[Engine] = []
        self._quarantine = quarantine
        self._telemetry = telemetry
        self.outage = Outage(
            self.engines, patience, give_up=self._give_up, left=self._let_go, state=lambda: self.main.state
        )
        self._done = done
        self._forget = forget
        self._suspects: deque[Item] = deque()
        self._again: deque[Item] = deque()  # failed at an engine, through no fault of theirs
        self._calls: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._successes = 0  # calls that ended well
        self._overtaken = 0  # slices that went before the suspects that wait
        self._gathered = False
        self._gathering: asyncio.TimerHandle | None = None
        self._length: LengthGuard | None = None

    def add(self, member: Member) -> Engine:
        engine = Engine(
            member.backend,
            self.gate,
            member.limits,
            changed=self._changed,
            forget=self._forget,
            absolve=self._quarantine.absolved,
            others=lambda: self._others(engine),
        )
        self.engines.append(engine)
        self._tell_engines()
        return engine

    def remove(self, engine: Engine) -> None:
        """Give it nothing more; it is closed when what it has is done."""
        engine.draining = True
        self.engines.remove(engine)
        task = asyncio.create_task(self._drain(engine), name=f"draining {engine.name}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        self._changed()

    async def close(self) -> None:
        self.outage.close()
        if self._gathering:
            self._gathering.cancel()
        for task in (*self._calls, *self._leaving):
            task.cancel()
        await asyncio.gather(*self._calls, *self._leaving, return_exceptions=True)
        for engine in self.engines:
            await engine.close()

    @property
    def is_ready(self) -> bool:
        return any(engine.serves for engine in self.engines)

    @property
    def slots(self) -> int:
        """Calls that all engines take together."""
        return sum(engine.ready.use.concurrency for engine in self.engines if engine.ready and engine.serves)

    @property
    def main(self) -> Engine:
        """The engine that speaks for all: the first that serves, else that has served, else the first."""
        best = max(self.engines, key=lambda engine: (engine.serves, engine.ready is not None))
        return next(e for e in self.engines if (e.serves, bool(e.ready)) == (best.serves, bool(best.ready)))

    @property
    def precision(self) -> str:
        """What is served; until that is known, what is wanted."""
        ready = self.main.ready
        return ready.precision if ready else self.gate.wanted or self.gate.model.default_quantisation

    @property
    def fingerprint(self) -> Fingerprint:
        """What every vector of the pool depends on. EngineNotReady before the first engine was ready."""
        if self.gate.fingerprint is None:
            raise not_ready(self.main.state)
        return self.gate.fingerprint

    def length(self) -> LengthGuard:
        """What fits every engine. EngineNotReady before the first was ready."""
        contexts = [engine.ready.context for engine in self.engines if engine.ready]
        if not contexts:
            raise not_ready(self.main.state)
        limit = limit_of(min(contexts))
        if self._length is None or self._length.limit != limit:
            self._length = LengthGuard(limit, lambda: self.main.backend.tokenizer())
        return self._length

    def admit(self) -> None:
        """EngineNotReady, with the reason, where waiting would be in vain."""
        if not self.is_ready and not self.outage.worth_waiting():
            raise not_ready(self.main.state)

    def submit(self, items: Sequence[Item]) -> None:
        """Queue texts whose room was checked; each comes back through its tickets."""
        ordinary = []
        for item in items:
            if self._quarantine.suspects(item.key):
                item.state = "running"
                self._suspects.append(item)
            else:
                ordinary.append(item)
        self.scheduler.push(ordinary)
        self._pump()

    # -- handing out ---------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Give every engine what it can take, the least busy first."""
        while any(self._give(engine) for engine in sorted(self.engines, key=_busy) if engine.free):
            pass

    def _give(self, engine: Engine) -> bool:
        items = self._next(engine)
        if not items:
            return False
        engine.in_flight += 1
        engine.idle.clear()
        task = asyncio.create_task(self._call(engine, items))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return True

    def _next(self, engine: Engine) -> list[Item]:
        if self._suspects and (self._overtaken >= MOST_OVERTAKEN or not self.scheduler.waiting("interactive")):
            return self._suspect(engine)
        if (item := self._retried(engine)) is not None:
            return [item]
        if self._waits_for_more(engine):
            return []
        self._overtaken += bool(self._suspects)
        return self._slice(engine)

    def _slice(self, engine: Engine) -> list[Item]:
        use = engine.ready.use if engine.ready else None
        if use is None:
            return []
        # Over the engines that are free, not over the calls that each could take: many small calls gain nothing.
        free = sum(each.free > 0 for each in self.engines)
        share = math.ceil(self.scheduler.waiting_texts / max(1, free))
        return self.scheduler.take(max(1, min(engine.limits.batch, share)), use.slice_bytes)

    def _suspect(self, engine: Engine) -> list[Item]:
        """A text under which an engine ended goes alone, to an engine that does nothing else meanwhile. After an end
        under it alone another text goes first, if one waits: what ends under that as well is not ended by a text.
        """
        if engine.in_flight:
            return []
        self._overtaken = 0
        self._let_go()
        item = next((one for one in self._suspects if one.died_at != self._successes), None)
        if item is None:
            retried = self._retried(engine)
            items = self._slice(engine) if retried is None else [retried]
            if items or not self._suspects:
                return items
            item = self._suspects[0]
        self._suspects.remove(item)
        engine.alone = True
        return [item]

    def _retried(self, engine: Engine) -> Item | None:
        """What failed elsewhere; at the engine where it failed only when no other could take it."""
        self._let_go()
        for index, item in enumerate(self._again):
            others = any(e.serves and e.name not in item.tried for e in self.engines)
            if engine.name not in item.tried or not others:
                del self._again[index]
                return item
        return None

    def _waits_for_more(self, engine: Engine) -> bool:
        """Single texts are gathered for a moment where the engine profits; never while it would stand idle."""
        if engine.ready is None or not engine.ready.use.gather or not engine.in_flight or self._gathered:
            return False
        if not 0 < self.scheduler.waiting_texts < engine.limits.batch:
            return False
        if self._gathering is None:
            loop = asyncio.get_running_loop()
            self._gathering = loop.call_later(engine.ready.use.gather, self._end_gathering)
        return True

    def _end_gathering(self) -> None:
        self._gathering = None
        self._gathered = True
        self._pump()
        self._gathered = False

    # -- taking back ---------------------------------------------------------------------------------------------------

    async def _call(self, engine: Engine, items: list[Item]) -> None:
        began = time.perf_counter()
        for item in items:
            item.starts(began)
        alone = engine.in_flight == 1
        try:
            outcomes = await engine.embed(
                [item.text for item in items],
                items[0].keep_alive,
                may_reset=not any(self._quarantine.was_reset_for(item.key) for item in items),
                patience=self.outage.patience.seconds,
            )
        except BridgeError as error:
            self._telemetry.observe_call(engine.name, error.code, time.perf_counter() - began, len(items))
            self._failed(engine, items, error, alone=alone and engine.in_flight == 1)
        except Exception as error:
            log.exception("%s: a call failed unexpectedly", engine.name)
            self._deliver(items, [_unforeseen(error)] * len(items))
        else:
            self._telemetry.observe_call(engine.name, "ok", time.perf_counter() - began, len(items))
            self._successes += 1
            self.outage.succeeded(engine)
            engine.unconfirmed += [item.cache_key for item in items]
            self.scheduler.pace.measure(sum(item.size + OVERHEAD for item in items), time.perf_counter() - began)
            self._deliver(items, outcomes)
        finally:
            engine.in_flight -= 1
            engine.alone = False
            if not engine.in_flight:
                engine.idle.set()
            self._pump()

    def _deliver(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        proven = len(items) == 1 or any(isinstance(outcome, Row) for outcome in outcomes)
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, Row):
                self._quarantine.cleared(item.key)
                self._done(item, outcome)
                item.deliver(outcome)
                continue
            if isinstance(outcome, BrokenVectors) and outcome.may_be_text:
                self._quarantine.broke(item.key, proven=proven)
            self._fail(item, outcome)

    def _fail(self, item: Item, error: BridgeError) -> None:
        self._done(item, None)
        item.fail(error)

    def _failed(self, engine: Engine, items: Sequence[Item], error: BridgeError, *, alone: bool) -> None:
        """The engine, not a text, seems to be at fault: it is checked, and its texts are tried again."""
        engine.ended_under = None
        if not isinstance(error, EngineBusy):
            self.outage.failed(engine, error)
            engine.gone(error)
        if not isinstance(error, EngineBusy | EngineDown | EngineDied):
            self._deliver(items, [error] * len(items))
            return
        died = isinstance(error, EngineDied) and error.may_be_text
        if died and alone and len(items) == 1:
            items[0].died_at, engine.ended_under = self._successes, items[0].key
        for item in items:
            if died and self._quarantine.died(item.key, alone=alone and len(items) == 1):
                self._fail(item, guilty())
            elif not self._forsaken(item):
                self._once_more(item, engine, error)

    def _once_more(self, item: Item, engine: Engine, error: BridgeError) -> None:
        item.rounds += 1
        item.tried.add(engine.name)
        elsewhere = any(other.serves and other.name not in item.tried for other in self.engines)
        if item.rounds >= MOST_ROUNDS or not self.outage.worth_waiting():
            self._fail(item, error)
        elif isinstance(error, EngineDied) and error.may_be_text:
            self._suspects.append(item)
        elif elsewhere or isinstance(error, EngineDown | EngineDied):
            self._again.append(item)
        else:
            self._fail(item, error)

    def _forsaken(self, item: Item) -> bool:
        """Whether nobody waits for it any more; then it is let go."""
        if item.tickets:
            return False
        item.state = "done"
        self._done(item, None)
        return True

    # -- engines that come and go --------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self.outage.changed()
        self._tell_engines()
        self._pump()

    def _tell_engines(self) -> None:
        self._telemetry.observe_engines({engine.name: engine.serves for engine in self.engines})

    def _give_up(self, error: BridgeError) -> None:
        """Everyone who waits is told."""
        items = [*self._suspects, *self._again]
        self._suspects.clear()
        self._again.clear()
        while taken := self.scheduler.take(1_000, 1 << 30):
            items += taken
        for item in items:
            self._fail(item, error)

    def _let_go(self) -> None:
        """Of what nobody waits for any more."""
        self._suspects = deque(item for item in self._suspects if not self._forsaken(item))
        self._again = deque(item for item in self._again if not self._forsaken(item))

    def _others(self, engine: Engine) -> bool:
        return any(other.serves for other in self.engines if other is not engine)

    async def _drain(self, engine: Engine) -> None:
        if engine.in_flight:
            await engine.idle.wait()
        await engine.close()
        log.info("%s has been taken out", engine.name)


def _busy(engine: Engine) -> int:
    return engine.in_flight


def _unforeseen(error: Exception) -> BridgeError:
    return BridgeError(f"The bridge failed unexpectedly ({type(error).__name__}).", "See its log.")
