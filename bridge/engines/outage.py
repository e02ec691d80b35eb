"""While no engine gets on: who is kept, who is told, and since when. A request's patience counts over all of it."""

import asyncio
from collections.abc import Callable, Sequence

from embedstack.bridge.engines.engine import Engine, State, not_ready
from embedstack.bridge.errors import BridgeError, EngineNotReady
from embedstack.bridge.traffic.pace import Patience

# Seconds between two looks at who has waited for an engine for too long.
SWEEP = 0.25


class Outage:
    """`engines` is the pool's own list, as it changes. `give_up` is called with the error for everyone who waits,
    `left` when some have been told, and `state` says how the pool's main engine is.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        seconds: float,
        *,
        give_up: Callable[[BridgeError], None],
        left: Callable[[], None],
        state: Callable[[], State],
    ) -> None:
        self.patience = Patience(seconds)
        self._engines = engines
        self._give_up = give_up
        self._left = left
        self._state = state
        self._since: float | None = None  # loop time at which the last engine ceased to serve
        self._last_failure: BridgeError | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    def close(self) -> None:
        if self._sweeper:
            self._sweeper.cancel()

    def changed(self) -> None:
        """An engine began or ceased to serve."""
        if any(engine.serves for engine in self._engines):
            self._since = None
        elif self._since is None and any(engine.ready for engine in self._engines):
            self._since = asyncio.get_running_loop().time()
        if self._since is not None:
            self._watch()

    def failed(self, engine: Engine, error: BridgeError) -> None:
        """A call failed: the time it took is lost, unless another engine gets on."""
        engine.faltering, self._last_failure = True, error
        if self._gets_on():
            self.patience.use()
        else:
            self.patience.lose()
            self._watch()

    def succeeded(self, engine: Engine) -> None:
        engine.faltering = False
        self.patience.use()

    def worth_waiting(self) -> bool:
        """Whether an engine serves, or one that did has not been away for too long and may be back."""
        if any(engine.serves for engine in self._engines):
            return True
        if self._since is None or not any(engine.state.phase == "away" for engine in self._engines):
            return False
        return asyncio.get_running_loop().time() - self._since < self.patience.seconds

    def _gets_on(self) -> bool:
        return any(engine.serves and not engine.faltering for engine in self._engines)

    def _watch(self) -> None:
        if self._sweeper is None:
            self._sweep()

    def _sweep(self) -> None:
        self._sweeper = None
        if self._gets_on():
            return
        if not any(engine.serves for engine in self._engines):
            self.patience.lose()
            if not self.worth_waiting():
                self._give_up(not_ready(self._state()))
        self._end_patience()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    def _end_patience(self) -> None:
        overdue = self.patience.overdue()
        for ticket in overdue:
            ticket.fail(self._too_long())
        if overdue:
            self._left()

    def _too_long(self) -> EngineNotReady:
        state = self._state()
        if state.phase != "ready":
            return not_ready(state)
        said = self._last_failure or EngineNotReady("It fails.")
        return EngineNotReady(
            f"The engine comes and goes; {self.patience.seconds:g} s were lost with it: {said.message}",
            said.advice,
            retry_after=5,
        )
