"""While no engine gets on: who is kept, who is answered, and since when. A request's patience counts over all of it."""

import asyncio
from collections.abc import Callable

from embedstack.bridge.engines.fleet import Fleet
from embedstack.bridge.errors import BridgeError, EngineNotReady
from embedstack.bridge.traffic.pace import Patience

# Seconds between two looks at who has waited for an engine for too long.
SWEEP = 0.25


class Outage:
    """`give_up` is called with the error for everyone who waits, `left` when some of those have been answered."""

    def __init__(
        self,
        fleet: Fleet,
        patience: Patience,
        *,
        give_up: Callable[[BridgeError], None],
        left: Callable[[], None],
    ) -> None:
        self._fleet = fleet
        self._engines = fleet.engines
        self._patience = patience
        self._give_up = give_up
        self._left = left
        self._since: float | None = None  # loop time at which the last engine ceased to serve
        self._last_failure: BridgeError | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    def close(self) -> None:
        if self._sweeper:
            self._sweeper.cancel()

    def changed(self) -> None:
        """An engine began or ceased to serve."""
        if self._fleet.is_ready:
            self._since = None
        elif self._since is None and any(engine.ready for engine in self._engines):
            self._since = asyncio.get_running_loop().time()
        if self._since is not None:
            self._watch()

    def failed(self, error: BridgeError) -> None:
        """A call failed: the time it took is lost, unless another engine gets on."""
        self._last_failure = error
        if self._gets_on():
            self._patience.use()
        else:
            self._patience.lose()
            self._watch()

    def succeeded(self) -> None:
        """A call ended well."""
        self._patience.use()

    def worth_waiting(self) -> bool:
        """Whether an engine serves, or one that did has not been away for too long and may be back."""
        if self._fleet.is_ready:
            return True
        if self._since is None or not any(engine.state.phase == "away" for engine in self._engines):
            return False
        return asyncio.get_running_loop().time() - self._since < self._patience.seconds

    def _gets_on(self) -> bool:
        return any(engine.gets_on for engine in self._engines)

    def _watch(self) -> None:
        if self._sweeper is None:
            self._sweep()

    def _sweep(self) -> None:
        self._sweeper = None
        if self._gets_on():
            return
        if not self._fleet.is_ready:
            self._patience.lose()
            if not self.worth_waiting():
                self._give_up(self._fleet.not_ready())
        self._end_patience()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    def _end_patience(self) -> None:
        overdue = self._patience.overdue()
        for ticket in overdue:
            ticket.fail(self._too_long())
        if overdue:
            self._left()

    def _too_long(self) -> EngineNotReady:
        if not self._fleet.main.is_ready:
            return self._fleet.not_ready()
        said = self._last_failure or EngineNotReady("It fails.")
        return EngineNotReady(
            f"The engine comes and goes; {self._patience.seconds:g} s were lost with it: {said.message}",
            said.advice,
            retry_after=5,
        )
