"""A part under watch: started, started again when it ends, stopped, replaced by another spec of its name.

Nothing here waits. `tick` is called several times a second and does what is due.

When a part that has ended is started again, and when no more. Pure.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from embedstack.deploy.native.part import PartSpec, as_now_named
from embedstack.deploy.native.process import Run
from embedstack.deploy.state import PartState

FIRST, LONGEST = 0.5, 30.0  # seconds
STABLE = 30.0  # seconds; a run that was ready and lasted as long is not a part of a row of failures
# What was never ready has a mistake that another start does not cure; what once was may wait for something to return.
NEVER_READY, ONCE_READY = 3, 10


@dataclass(frozen=True)
class EarlyEnds:
    """Runs in a row that ended too early."""

    failures: int = 0
    once_ready: bool = False

    def ended(self, *, ready: bool, lasted: float) -> "EarlyEnds":
        """The row after a run that lasted so many seconds; `ready` whether it ever was."""
        if ready and lasted >= STABLE:
            return EarlyEnds(0, True)
        return EarlyEnds(self.failures + 1, self.once_ready or ready)

    @property
    def hopeless(self) -> bool:
        return self.failures >= (ONCE_READY if self.once_ready else NEVER_READY)

    @property
    def delay(self) -> float:
        """Seconds until the next start: 0.5, 1, 2, … 30."""
        return min(LONGEST, FIRST * float(2 ** max(0, self.failures - 1)))


log = logging.getLogger(__name__)

Kind = Literal["running", "starting", "backoff", "failed", "stopped"]


class Watched:
    """One part. `run` is its process, if one lives.

    Attributes:
        wanted: whether it is to run; a part that is not is stopped, and can be forgotten once it is `gone`.
        ready: whether this run has been ready.
    """

    def __init__(self, spec: PartSpec, log_file: Path, environ: Mapping[str, str], run: Run | None = None) -> None:
        self.spec = spec
        self.log_file = log_file
        self._environ = environ
        self.run = run
        self.wanted = True
        self.ready = False
        self.restarts = 0
        self.row = EarlyEnds()
        self.reason = ""
        self._next: PartSpec | None = None
        self._due = 0.0
        self._kill_at: float | None = None

    @property
    def stopping(self) -> bool:
        return self._kill_at is not None

    @property
    def gone(self) -> bool:
        return not self.wanted and self.run is None

    @property
    def tried(self) -> bool:
        """Whether it has been started, well or not; also where it is not to be."""
        return not self.wanted or self.run is not None or self.row.failures > 0

    @property
    def to_be(self) -> PartSpec:
        """What it is to run by, once it has been replaced."""
        return self._next or self.spec

    def replace(self, spec: PartSpec) -> None:
        """Run by `spec` from now on; a run by another one is stopped first."""
        self._next = spec
        self._again()

    def restart(self) -> None:
        self._again()

    def stop(self) -> None:
        self.wanted = False

    def is_ready(self) -> None:
        """This run answers."""
        self.ready, self.reason = True, ""

    def tick(self, *, may_start: bool, may_stop: bool) -> bool:
        """Do what is due; True where something has changed that a later supervisor must know."""
        if self.run is not None and not self.run.alive():
            self._ended(self.run)
            return True
        if self.run is not None:
            if not self.wanted and may_stop:
                self._begin_stop(self.run)
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self.run.kill()
            return False
        if self.wanted and may_start and not self.row.hopeless and time.monotonic() >= self._due:
            self._start()
            return True
        return False

    def _again(self) -> None:
        self.wanted = True
        self.row, self._due, self.reason = EarlyEnds(), 0.0, ""
        if self.run is not None:
            self._begin_stop(self.run)

    def _begin_stop(self, run: Run) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self.spec.stop_timeout
            run.terminate()

    def _start(self) -> None:
        self.spec, self._next = as_now_named(self.to_be), None
        self.ready = False
        try:
            self.run = Run.start(self.spec, self.log_file, self._environ)
            log.info("%s: started as process %d", self.spec.name, self.run.who.pid)
        except OSError as error:
            self._failed(f"it could not be started: {error.strerror}: {error.filename}", lasted=0.0)

    def _ended(self, run: Run) -> None:
        run.sweep()
        self.run = None
        if self._kill_at is not None:  # as it was asked to
            self._kill_at = None
            log.info("%s: stopped", self.spec.name)
            return
        self._failed(run.ending, lasted=run.lasted)
        self.restarts += not self.row.hopeless

    def _failed(self, reason: str, *, lasted: float) -> None:
        self.row = self.row.ended(ready=self.ready, lasted=lasted)
        self.reason = reason
        log.warning("%s: %s%s", self.spec.name, reason, ", and is given up" if self.row.hopeless else "")
        self._due = time.monotonic() + self.row.delay

    def _kind(self) -> tuple[Kind, str]:
        if self.run is not None:
            if self.stopping:
                return "stopped", "it is being stopped"
            return ("running", "") if self.ready else ("starting", self.reason)
        if not self.wanted:
            return "stopped", ""
        if self.row.hopeless:
            return "failed", f"{self.reason}, {self.row.failures} times in a row"
        return ("backoff", f"{self.reason}; it is started again") if self.reason else ("starting", "")

    @property
    def state(self) -> PartState:
        kind, reason = self._kind()
        who = self.run.who if self.run else None
        return PartState(
            name=self.spec.name,
            state=kind,
            address=self.spec.address,
            pid=who.pid if who else None,
            since=who.created if who else None,
            restarts=self.restarts,
            reason=reason,
        )
