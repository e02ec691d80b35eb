"""Several engines as one: slices go to whichever is free, and what fails at one goes to another."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from embedstack.bridge.backends.base import Call, EngineBusy, EngineDied, EngineDown
from embedstack.bridge.backends.checks import BrokenVectors
from embedstack.bridge.engines.dispatch import Dispatch
from embedstack.bridge.engines.engine import Engine, Member, Surroundings
from embedstack.bridge.engines.fleet import Fleet
from embedstack.bridge.engines.outage import Outage
from embedstack.bridge.engines.quarantine import Quarantine, guilty
from embedstack.bridge.engines.retry import Outcome
from embedstack.bridge.errors import BridgeError, ClientGone
from embedstack.bridge.observe.telemetry import Telemetry
from embedstack.bridge.parity.gate import Gate
from embedstack.bridge.request import Lane, Row
from embedstack.bridge.traffic.item import Item
from embedstack.bridge.traffic.pace import OVERHEAD, Patience
from embedstack.bridge.traffic.scheduler import Scheduler

log = logging.getLogger(__name__)

# Engines under which a text may fail before its request does.
MOST_ROUNDS = 3


class Pool:
    """`patience` is notified of each request that waits, by the part that makes it wait: how long it is kept in all,
    while no engine gets on that once served. `forget` is called with the keys of rows that may have been of another
    model.
    """

    def __init__(
        self,
        gate: Gate,
        scheduler: Scheduler,
        quarantine: Quarantine,
        telemetry: Telemetry,
        *,
        patience: Patience,
        forget: Callable[[Sequence[bytes]], None],
    ) -> None:
        self.patience = patience
        self._gate = gate
        self._scheduler = scheduler
        self._quarantine = quarantine
        self._telemetry = telemetry
        self._engines: list[Engine] = []
        self.fleet = Fleet(self._engines, gate)
        self._dispatch = Dispatch(scheduler, self.fleet, suspects=quarantine.suspects, give=self._give)
        self._outage = Outage(self.fleet, patience, give_up=self._give_up, left=self._dispatch.let_go)
        self._around = Surroundings(self._changed, forget, quarantine.absolved, self.fleet.serves_beside)
        self._calls: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    def add(self, member: Member) -> Engine:
        engine = Engine(member, self._gate, self._around)
        self._engines.append(engine)
        self._tell_engines()
        return engine

    def remove(self, engine: Engine) -> None:
        """Give it nothing more; it is closed when what it has is done."""
        engine.retire()
        self._engines.remove(engine)
        task = asyncio.create_task(self._drain(engine), name=f"draining {engine.name}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        self._changed()

    async def close(self) -> None:
        self._outage.close()
        self._dispatch.close()
        for task in (*self._calls, *self._leaving):
            task.cancel()
        await asyncio.gather(*self._calls, *self._leaving, return_exceptions=True)
        for engine in self._engines:
            await engine.close()

    def forget_model(self) -> None:
        """As `Gate.forget`."""
        self._gate.forget()

    def observe(self) -> None:
        """Bring the gauges up to date: what waits, and what the gate found at each engine."""
        waiting: dict[Lane, int] = {lane: self._scheduler.waiting(lane) for lane in ("interactive", "bulk")}
        self._telemetry.observe_queue(waiting, self._scheduler.waiting_bytes)
        for engine in self._engines:
            self._telemetry.observe_gate(engine.name, {f.check: f.ok for f in engine.state.findings})

    def admit(self) -> None:
        """EngineNotReady, with the reason, where waiting would be in vain."""
        if not self.fleet.is_ready and not self._outage.worth_waiting():
            raise self.fleet.not_ready()

    def room(self, lane: Lane, texts: int, size: int) -> float | None:
        """Seconds of work that are ahead of a request; None while nothing was measured. QueueFull."""
        slots = self.fleet.slots
        self._scheduler.check_room(texts, size, slots)
        return self._scheduler.seconds_ahead(lane, slots)

    def seconds_ahead(self, lane: Lane) -> float | None:
        return self._scheduler.seconds_ahead(lane, self.fleet.slots)

    def submit(self, items: Sequence[Item]) -> None:
        """Texts whose room was checked; each ends with a row or an error, or when nobody waits for it any more."""
        self._dispatch.push(items)

    def promote(self, item: Item) -> None:
        """A query waits for it now as well."""
        self._scheduler.promote(item)

    def drop(self, item: Item) -> None:
        """Nobody waits for it any more, and no engine has it."""
        self._scheduler.drop(item)

    def _give(self, engine: Engine, items: list[Item], *, alone: bool) -> None:
        urgent = items[0].lane == "interactive" and engine.free_for_questions > 0
        engine.call_begins(alone=alone, urgent=urgent)
        task = asyncio.create_task(self._call(engine, items, urgent=urgent))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _call(self, engine: Engine, items: list[Item], *, urgent: bool) -> None:
        began = time.perf_counter()
        call = Call(items[0].lane == "interactive", [item.text[: item.prompt] for item in items])
        for index, item in enumerate(items):
            item.starts(began, partial(call.cancel, index) if engine.backend.preempts else None)
        alone = engine.in_flight == 1
        try:
            outcomes = await engine.embed(
                [item.text for item in items],
                items[0].keep_alive,
                may_reset=not any(self._quarantine.was_reset_for(item.key) for item in items),
                patience=self.patience.seconds,
                call=call,
            )
        except BridgeError as error:
            self._telemetry.observe_call(engine.name, error.code, time.perf_counter() - began, len(items))
            self._failed(engine, items, error, alone=alone and engine.in_flight == 1 and len(items) == 1)
        except Exception as error:
            log.exception("%s: a call failed unexpectedly", engine.name)
            self._deliver(items, [_unforeseen(error)] * len(items))
        else:
            self._telemetry.observe_call(engine.name, "ok", time.perf_counter() - began, len(items))
            self._dispatch.succeeded()
            engine.succeeded([item.cache_key for item in items])
            self._outage.succeeded()
            self._scheduler.pace.measure(sum(item.size + OVERHEAD for item in items), time.perf_counter() - began)
            self._deliver(items, outcomes)
        finally:
            engine.call_ends(urgent=urgent)
            self._dispatch.pump()

    def _deliver(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        proven = len(items) == 1 or any(isinstance(outcome, Row) for outcome in outcomes)
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, Row):
                self._quarantine.cleared(item.key)
                item.deliver(outcome)
                continue
            if isinstance(outcome, ClientGone):
                continue  # it was taken back meanwhile
            if isinstance(outcome, BrokenVectors) and outcome.may_be_text:
                self._quarantine.broke(item.key, proven=proven)
            item.fail(outcome)

    def _failed(self, engine: Engine, items: Sequence[Item], error: BridgeError, *, alone: bool) -> None:
        """The engine, not a text, seems to be at fault: it is checked, and its texts are tried again. `alone`: it had
        one text, and nothing else.
        """
        died = isinstance(error, EngineDied) and error.may_be_text
        engine.failed(error, under=items[0].key if died and alone else None)
        if not isinstance(error, EngineBusy):
            self._outage.failed(error)
            engine.gone(error)
        if not isinstance(error, EngineBusy | EngineDown | EngineDied):
            self._deliver(items, [error] * len(items))
            return
        if died and alone:
            self._dispatch.ended_alone(items[0])
        for item in items:
            if died and self._quarantine.died(item.key, alone=alone):
                item.fail(guilty())
            elif not item.forsaken():
                self._once_more(item, engine, error)

    def _once_more(self, item: Item, engine: Engine, error: BridgeError) -> None:
        item.failed_at(engine.name)
        elsewhere = self.fleet.serves_other_than(item.tried)
        if item.rounds >= MOST_ROUNDS or not self._outage.worth_waiting():
            item.fail(error)
        elif isinstance(error, EngineDied) and error.may_be_text:
            self._dispatch.suspect(item)
        elif elsewhere or isinstance(error, EngineDown | EngineDied):
            self._dispatch.again(item)
        else:
            item.fail(error)

    def _changed(self) -> None:
        self._outage.changed()
        self._tell_engines()
        self._dispatch.pump()

    def _tell_engines(self) -> None:
        self._telemetry.observe_engines({engine.name: engine.serves for engine in self._engines})

    def _give_up(self, error: BridgeError) -> None:
        """Everyone who waits is informed."""
        for item in self._dispatch.empty():
            item.fail(error)

    async def _drain(self, engine: Engine) -> None:
        await engine.drained()
        log.info("%s has been taken out", engine.name)


def _unforeseen(error: Exception) -> BridgeError:
    return BridgeError(f"The bridge failed unexpectedly ({type(error).__name__}).", "See its log.")
