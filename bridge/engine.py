"""The one engine behind the bridge: brought up, examined, and only then asked for vectors."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from tokenizers import Tokenizer

from bridge import parity
from bridge.backends.base import Backend, Embedded, EngineFacts
from bridge.errors import BridgeError, EngineNotReady
from bridge.length import LengthGuard, limit_of
from bridge.parity import Finding
from bridge.queue import EngineQueue
from bridge.request import KeepAlive
from bridge.retry import Quarantine, Resilient
from modelfiles.catalog import CatalogError, Model

log = logging.getLogger(__name__)

# Seconds between attempts to bring up an engine that is not there yet, or not right yet.
FIRST_RETRY, LONGEST_RETRY = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How an engine may be used: requests at once, texts a call, attempts a call, seconds of quarantine, and tokens of
    context, None for as many as the engine has."""

    concurrency: int
    batch: int
    attempts: int
    quarantine: float
    queue_texts: int
    queue_bytes: int
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """What is known once the gate has passed. `context` in tokens, EOS included."""

    facts: EngineFacts
    precision: str
    context: int
    length: LengthGuard


@dataclass(slots=True)
class State:
    """For /readyz: what the engine is, or why it is out."""

    reason: str = "starting"
    advice: str = "Wait a moment."
    findings: tuple[Finding, ...] = field(default=())


class Engine:
    """`precision` None: what the engine says, else the catalogue's default."""

    def __init__(self, backend: Backend, model: Model, precision: str | None, limits: Limits) -> None:
        self.backend = backend
        self.model = model
        self.state = State()
        self.queue = EngineQueue(concurrency=limits.concurrency, texts=limits.queue_texts, size=limits.queue_bytes)
        self._wanted = precision
        self._batch = limits.batch
        self._concurrency = limits.concurrency
        self._context = limits.context
        self._resilient = Resilient(
            backend,
            dimensions=model.dimensions,
            attempts=limits.attempts,
            quarantine=Quarantine(limits.quarantine),
        )
        self._ready: Ready | None = None
        self._task: asyncio.Task[None] | None = None
        self.settled = asyncio.Event()

    @property
    def ready(self) -> Ready:
        """EngineNotReady, with the reason, until the gate has passed."""
        if self._ready is None:
            raise EngineNotReady(f"The engine is not ready: {self.state.reason}", self.state.advice, retry_after=5)
        return self._ready

    @property
    def is_ready(self) -> bool:
        return self._ready is not None

    @property
    def precision(self) -> str:
        """What is served; until that is known, what is wanted."""
        return self._ready.precision if self._ready else self._wanted or self.model.default_quantisation

    def open(self) -> None:
        """Begin to bring the engine up; `settled` is set at the first verdict, good or bad."""
        self._task = asyncio.create_task(self._bring_up(), name="engine start-up")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.backend.close()

    async def embed(self, texts: Sequence[str], keep_alive: KeepAlive) -> list[Embedded]:
        """Checked vectors of final texts, in order, one `Embedded` an engine call."""
        self._resilient.admit(texts)
        size = sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
        async with self.queue.turn(len(texts), size):
            return [
                await self._resilient.embed(texts[start : start + self._batch], keep_alive, start)
                for start in range(0, len(texts), self._batch)
            ]

    async def _bring_up(self) -> None:
        delay = FIRST_RETRY
        while self._ready is None:
            self.state.findings = ()
            try:
                await self.backend.start()
                await self._examine()
            except BridgeError as error:
                self._out(error.message, error.advice)
            except Exception:
                log.exception("the engine's start-up failed")
                self._out("its start-up failed unexpectedly", "See the bridge's log.")
            self.settled.set()
            # A verdict does not change by the second, and each examination loads the model of an idle engine.
            delay = min(delay * 2, LONGEST_RETRY) if self.state.findings else FIRST_RETRY
            if self._ready is None:
                await asyncio.sleep(delay)

    async def _examine(self) -> None:
        facts = await self.backend.facts()
        precision = self._precision(facts)
        findings = await parity.examine(self.backend, facts, self.model, precision, self._concurrency)
        self.state.findings = findings
        failed = [f"{finding.check}: {finding.detail}" for finding in findings if not finding.ok]
        if failed:
            raise EngineNotReady(
                f"{self.backend.name} fails the parity gate: {'; '.join(failed)}.",
                "Its vectors would be wrong. Check the model file, its pooling and EOS, and the engine's version.",
            )
        context = min(facts.context or self.model.context.recommended, self.model.context.trained)
        context = min(context, self._context or context)  # llama.cpp rounds what it is given up
        self._ready = Ready(facts, precision, context, LengthGuard(limit_of(context), self._tokenizer))
        self.state.reason = self.state.advice = ""
        log.info("%s serves %s at %s, context %d", self.backend.name, self.model.id, precision, context)

    def _precision(self, facts: EngineFacts) -> str:
        """The configured one; else the engine's own word, where the catalogue knows it; else the default."""
        if self._wanted:
            return self._wanted
        if facts.kind == "vllm" and self.model.safetensors:
            return self.model.safetensors.precision
        with contextlib.suppress(CatalogError):
            if facts.quantisation:
                return self.model.precision(facts.quantisation)
        return self.model.default_quantisation

    def _out(self, reason: str, advice: str) -> None:
        if reason != self.state.reason:
            log.warning("not ready: %s %s", reason, advice)
        self.state.reason, self.state.advice = reason, advice

    async def _tokenizer(self) -> Tokenizer:
        return await self.backend.tokenizer()
