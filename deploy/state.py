"""How a part of a stack is, in either mode."""

from dataclasses import dataclass
from typing import Literal


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
