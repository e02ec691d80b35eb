"""A pool's engines, seen as one: whether any serves, what they serve, and what fits all of them. Changes nothing."""

from collections.abc import Collection, Sequence

from embedstack.bridge.engines.engine import Engine, not_ready
from embedstack.bridge.errors import EngineNotReady
from embedstack.bridge.index.fingerprint import Fingerprint
from embedstack.bridge.parity.gate import Gate
from embedstack.bridge.text.length import LengthGuard, limit_of


class Fleet:
    """`engines` is the pool's own list, as it changes."""

    def __init__(self, engines: Sequence[Engine], gate: Gate) -> None:
        self.engines = engines
        self._gate = gate
        self._length: LengthGuard | None = None

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
        return ready.precision if ready else self._gate.wanted or self._gate.model.default_quantisation

    @property
    def known(self) -> Fingerprint | None:
        """`fingerprint`; None before the first engine was ready."""
        return self._gate.fingerprint

    @property
    def fingerprint(self) -> Fingerprint:
        """What every vector of the pool depends on. EngineNotReady before the first engine was ready."""
        if self._gate.fingerprint is None:
            raise self.not_ready()
        return self._gate.fingerprint

    def length(self) -> LengthGuard:
        """What fits every engine. EngineNotReady before the first was ready."""
        contexts = [engine.ready.context for engine in self.engines if engine.ready]
        if not contexts:
            raise self.not_ready()
        limit = limit_of(min(contexts))
        if self._length is None or self._length.limit != limit:
            self._length = LengthGuard(limit, lambda: self.main.backend.tokenizer())
        return self._length

    def not_ready(self) -> EngineNotReady:
        """Why nothing is served, as the main engine has it."""
        return not_ready(self.main.state)

    def serves_beside(self, engine: Engine) -> bool:
        return any(other.serves for other in self.engines if other is not engine)

    def serves_other_than(self, names: Collection[str]) -> bool:
        return any(engine.serves and engine.name not in names for engine in self.engines)
