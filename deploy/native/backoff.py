"""When a part that has ended is started again, and when no more. Pure."""

from dataclasses import dataclass

FIRST, LONGEST = 0.5, 30.0  # seconds
STABLE = 30.0  # seconds; a run that was ready and lasted as long is no part of a row of failures
# What was never ready has a mistake that another start does not cure; what once was may wait for something to return.
NEVER_READY, ONCE_READY = 3, 10


@dataclass(frozen=True)
class Row:
    """Runs in a row that ended too early."""

    failures: int = 0
    once_ready: bool = False

    def ended(self, *, ready: bool, lasted: float) -> "Row":
        """The row after a run that lasted so many seconds; `ready` whether it ever was."""
        if ready and lasted >= STABLE:
            return Row(0, True)
        return Row(self.failures + 1, self.once_ready or ready)

    @property
    def hopeless(self) -> bool:
        return self.failures >= (ONCE_READY if self.once_ready else NEVER_READY)

    @property
    def delay(self) -> float:
        """Seconds until the next start: 0.5, 1, 2, … 30."""
        return min(LONGEST, FIRST * float(2 ** max(0, self.failures - 1)))
