"""One engine behind the bridge: brought up, examined, used, and brought back when it has gone."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from embedstack.bridge.backends.base import Backend, Call, EngineBusy, EngineDied, EngineDown, EngineFacts
from embedstack.bridge.backends.checks import BrokenVectors
from embedstack.bridge.engines.retry import Outcome, Resilient
from embedstack.bridge.errors import BridgeError, EngineAnswerInvalid, EngineNotReady
from embedstack.bridge.index.fingerprint import Fingerprint
from embedstack.bridge.parity.examine import ParityFinding
from embedstack.bridge.parity.gate import Gate, Verdict
from embedstack.bridge.request import KeepAlive, Row
from embedstack.bridge.traffic.pace import Attention
from embedstack.words import joined

log = logging.getLogger(__name__)

# Seconds between attempts to bring up an engine that is not there yet, or not right yet.
FIRST_RETRY, LONGEST_RETRY = 2.0, 60.0
# The same for one that served and went away: it may be back at once.
FIRST_RETURN, LONGEST_RETURN = 0.2, 5.0
# Seconds between two looks, while there is traffic, at what the engine serves: a model can be replaced under its name.
LOOK = 5.0
# These embed one text after another: many texts in a call gain nothing, and a query would wait for all of them.
SERIAL = frozenset({"ollama", "embedded", "llama-server"})

Phase = Literal["starting", "ready", "away", "refused"]


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """How an engine may be used. `concurrency` calls at once, `batch` texts and `slice_bytes` bytes a call, `gather`
    seconds to wait for more of them (None: by the engine's kind); `attempts` a call; `context` in tokens, None for as
    many as the engine has.
    """

    concurrency: int | None = None
    batch: int = 32
    attempts: int = 3
    slice_bytes: int | None = None
    gather: float | None = None
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """An engine as the configuration asks for it."""

    backend: Backend
    limits: EngineLimits


@dataclass(frozen=True, slots=True)
class Use:
    """The limits for the kind of engine it turned out to be. `urgent`: calls of questions beside those."""

    concurrency: int
    slice_bytes: int
    gather: float
    urgent: int = 0


@dataclass(frozen=True, slots=True)
class Ready:
    """What is known once the gate has passed. `context` in tokens, EOS included."""

    facts: EngineFacts
    precision: str
    fingerprint: Fingerprint
    context: int
    use: Use


@dataclass(slots=True)
class State:
    """For /readyz: what the engine is, or why it is out."""

    phase: Phase = "starting"
    reason: str = "starting"
    advice: str = "Wait a moment."
    findings: tuple[ParityFinding, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the engines of a pool tell it, and ask. `changed` is called whenever one begins or ceases to serve, `forget`
    with the keys of vectors that may have been made by another model, `absolve` with the key of a text under which one
    ended where it ends under harmless ones as well; `serves_beside` tells whether an engine serves besides this one.
    """

    changed: Callable[[], None]
    forget: Callable[[Sequence[bytes]], None]
    absolve: Callable[[bytes], None]
    serves_beside: Callable[["Engine"], bool]


class Engine:
    """Its state is changed by its own methods alone. `settled` is set at the first verdict of the gate."""

    def __init__(self, member: Member, gate: Gate, around: Surroundings) -> None:
        self.backend = member.backend
        self.limits = member.limits
        self.name = self.backend.name
        self.state = State()
        self.ready: Ready | None = None  # kept while it is away
        self.settled = asyncio.Event()
        self._gate = gate
        self._around = around
        self._resilient = Resilient(self.backend, dimensions=gate.model.dimensions, attempts=self.limits.attempts)
        self._in_flight = 0
        self._urgent = 0  # of them, those in the places for questions
        self._attention = Attention()
        self._idle = asyncio.Event()
        self._idle.set()
        self._alone = False
        self._draining = False
        self._faltering = False
        self._ended_under: bytes | None = None  # the key of a text that was alone with it when it last ended
        # Keys of what it has made since it was last seen to serve the right model.
        self._unconfirmed: list[bytes] = []
        self._identity = ""
        self._looked = 0.0
        self._lost = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        return self.state.phase == "ready"

    @property
    def serves(self) -> bool:
        return self.state.phase == "ready" and not self._draining

    @property
    def in_flight(self) -> int:
        """Calls that it has."""
        return self._in_flight

    @property
    def free(self) -> int:
        """Calls that it could take now, of any lane."""
        if self.ready is None or not self.serves or self._alone:
            return 0
        return max(0, self.ready.use.concurrency - (self._in_flight - self._urgent))

    @property
    def free_for_questions(self) -> int:
        """Calls that it could take now beside those of documents, which questions interrupt."""
        if self.ready is None or not self.serves or self._alone:
            return 0
        return max(0, self.ready.use.urgent - self._urgent)

    @property
    def takes_more(self) -> bool:
        """Whether it could take a call now, of whatever lane."""
        return bool(self.free or self.free_for_questions)

    def neglects_documents(self, share: float) -> bool:
        """Whether questions have left the documents that it has less than this share of its time."""
        return self._attention.neglects(share, time.monotonic())

    @property
    def gets_on(self) -> bool:
        """Whether it serves, and its last call has not failed."""
        return self.serves and not self._faltering

    def open(self) -> None:
        """Begin to bring the engine up; `settled` is set at the first verdict, good or bad."""
        self._life = asyncio.create_task(self._live(), name=f"engine {self.name}")

    async def close(self) -> None:
        if self._life:
            self._life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._life
        await self.backend.close()

    def retire(self) -> None:
        """It is to be given nothing more."""
        self._draining = True

    async def drained(self) -> None:
        """Close it, when what it has is done."""
        await self._idle.wait()
        await self.close()

    def call_begins(self, *, alone: bool, urgent: bool = False) -> None:
        """`alone`: a suspect is with it, and nothing else may be; `urgent`: it takes a place for questions."""
        self._in_flight += 1
        self._urgent += urgent
        self._attention.changed(self._in_flight - self._urgent, self._urgent, time.monotonic())
        self._alone = alone
        self._idle.clear()

    def call_ends(self, *, urgent: bool = False) -> None:
        self._in_flight -= 1
        self._urgent -= urgent
        self._attention.changed(self._in_flight - self._urgent, self._urgent, time.monotonic())
        self._alone = False
        if not self._in_flight:
            self._idle.set()

    def succeeded(self, keys: Sequence[bytes]) -> None:
        """A call has: what it has made is the right model's, unless the next look shows another."""
        self._faltering = False
        self._unconfirmed += keys

    def failed(self, error: BridgeError, *, under: bytes | None) -> None:
        """A call has; `under`: the key of the text that was alone with it when it ended."""
        self._ended_under = under
        if not isinstance(error, EngineBusy):
            self._faltering = True

    async def embed(
        self,
        texts: Sequence[str],
        keep_alive: KeepAlive,
        *,
        may_reset: bool = True,
        patience: float = math.inf,
        call: Call | None = None,
    ) -> list[Outcome]:
        """A checked row or an error for each text. EngineUnavailable, EngineTimeout where the engine is at fault."""
        await self._look_now_and_then()
        outcomes = await self._resilient.embed(texts, keep_alive, may_reset=may_reset, patience=patience, call=call)
        broken = [one for one in outcomes if isinstance(one, BrokenVectors)]
        doubt = next((one for one in outcomes if isinstance(one, EngineAnswerInvalid) and one not in broken), None)
        if broken and doubt is None:
            if any(isinstance(one, Row) for one in outcomes) or await self._makes_right_vectors():
                for one in broken:
                    one.may_be_text = True
            else:
                doubt = broken[0]
        if doubt is not None:
            self.gone(doubt)
        return outcomes

    async def _makes_right_vectors(self) -> bool:
        """Of the golden texts, at least after a reset: a text of which it made none may have left it broken."""
        if self.ready is None:
            return False
        try:
            if await self._passes(self.ready):
                return True
            await self._resilient.reset()
            return await self._passes(self.ready)
        except BridgeError:
            return False

    async def _passes(self, ready: Ready) -> bool:
        """The cheap check of an engine that has been examined before."""
        return all(finding.ok for finding in await self._gate.recheck(self.backend, ready.fingerprint))

    def gone(self, error: BridgeError) -> None:
        """It failed: nothing more is sent until it is back and has been checked again."""
        if self.is_ready:
            self._out("away", error.message, error.advice)
            self._lost.set()
            self._around.changed()

    async def _live(self) -> None:
        while True:
            await self._bring_up()
            while self.is_ready:
                self._lost.clear()
                self._around.changed()
                await self._lost.wait()
                await self._bring_back()

    async def _bring_up(self) -> None:
        delay = FIRST_RETRY
        while not self.is_ready:
            try:
                await self.backend.start()
                await self._examine()
            except BridgeError as error:
                self._out("away" if self.ready else "starting", error.message, error.advice)
            except Exception:
                log.exception("%s: the start-up failed", self.name)
                self._out("refused", "its start-up failed unexpectedly", "See the bridge's log.")
            self.settled.set()
            if not self.is_ready:
                self._around.changed()
                # A verdict does not change by the second, and each examination loads the model of an idle engine.
                delay = min(delay * 2, LONGEST_RETRY) if self.state.phase == "refused" else FIRST_RETRY
                await asyncio.sleep(delay)

    async def _bring_back(self) -> None:
        """To `ready` after the cheap check, or out of this with another phase: then all is examined again."""
        delay = FIRST_RETURN
        while True:
            try:
                await self.backend.start()
                if await self.backend.identity() != self._identity:
                    self._distrust()
                    self._out("away", "what it serves has changed", "It is examined again.")
                    return
                if self.ready is not None and await self._passes(self.ready):
                    self._serve()
                return
            except BridgeError as error:
                if isinstance(error, EngineDied) and self._ended_under is not None:
                    self._around.absolve(self._ended_under)
                self._out("away", error.message, error.advice)
            except Exception:
                log.exception("%s: the reconnect failed", self.name)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETURN)

    async def _examine(self) -> None:
        facts = await self.backend.facts()
        # Before the examination: a model that is replaced while it runs shows at the next look.
        identity, self._looked = await self.backend.identity(), asyncio.get_running_loop().time()
        use = self._use(facts)
        verdict = await self._gate.examine(
            self.backend, facts, use.concurrency, others=lambda: self._around.serves_beside(self)
        )
        # No wait from here to `_serve`: the gate judges the next engine by those that serve.
        self.state.findings = verdict.findings
        if verdict.failed:
            self._refuse(verdict)
            return
        self._identity = identity
        model = self._gate.model
        context = min(facts.context or model.context.recommended, model.context.trained)
        context = min(context, self.limits.context or context)  # llama.cpp rounds what it is given up
        self.ready = Ready(facts, verdict.precision, verdict.fingerprint, context, use)
        self._serve()
        log.info("%s serves %s at %s, context %d", self.name, model.id, verdict.precision, context)

    def _refuse(self, verdict: Verdict) -> None:
        self._out(
            "refused",
            f"{self.name} fails the parity gate: {'; '.join(verdict.failed)}.",
            "Its vectors would be wrong. Check the model file, its pooling and EOS, and the engine's version.",
        )

    def _use(self, facts: EngineFacts) -> Use:
        given, serial = self.limits, facts.kind in SERIAL
        return Use(
            # One that computes several texts side by side has the next call while it ends the last one.
            concurrency=given.concurrency or (2 if self.backend.preempts else 1 if serial else 4),
            slice_bytes=given.slice_bytes or (1_024 if self.backend.preempts else 512 if serial else 65_536),
            gather=(0.0 if serial else 0.002) if given.gather is None else given.gather,
            urgent=1 if self.backend.preempts else 0,
        )

    async def _look_now_and_then(self) -> None:
        """EngineDown where the engine serves something else by now, or nothing: it is examined, and asked again."""
        now = asyncio.get_running_loop().time()
        if now - self._looked < LOOK:
            return
        self._looked = now
        if await self.backend.identity() == self._identity:
            self._unconfirmed.clear()
        else:
            self._distrust()
            raise EngineDown(f"{self.name} serves another model now.", "It is examined before anything is sent to it.")

    def _distrust(self) -> None:
        """Some of what it made since the last look may be another model's."""
        keys, self._unconfirmed = self._unconfirmed, []
        self._around.forget(keys)

    def _serve(self) -> None:
        self.state.phase, self.state.reason, self.state.advice = "ready", "", ""

    def _out(self, phase: Phase, reason: str, advice: str) -> None:
        if reason != self.state.reason:
            log.warning("%s is out: %s", self.name, joined(reason, advice))
        self.state.phase, self.state.reason, self.state.advice = phase, reason, advice


def not_ready(state: State) -> EngineNotReady:
    """For a request that cannot be served, and why."""
    return EngineNotReady(f"The engine is not ready: {state.reason}", state.advice, retry_after=5)
