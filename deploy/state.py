"""How a part of a stack is, in either mode."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

NOT_WELL = 4  # the exit status, as of the errors that a part which is not well ends in


@dataclass(frozen=True)
class PartState:
    """One part.

    Attributes:
        address: where it is reached from this machine, None where nothing listens.
        pid: of its main process, as this machine counts.
        since: when it was last started, in seconds since 1970.
        restarts: how often it was started again after it had ended by itself.
        reason: why it is not running, "" where it is.
    """

    name: str
    state: Literal["running", "starting", "backoff", "failed", "stopped"]
    address: str | None = None
    pid: int | None = None
    since: float | None = None
    restarts: int = 0
    reason: str = ""


def exit_code(parts: Sequence[PartState]) -> int:
    """0 where every part runs, else NOT_WELL, also where there is no part at all."""
    return 0 if parts and all(part.state == "running" for part in parts) else NOT_WELL
