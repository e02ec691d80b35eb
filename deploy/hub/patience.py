"""How long to go on with a Hub that fails. Pure but for the waiting."""

import email.utils
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class HubPatience:
    """Attempts in a row that bring nothing, and the pauses between them in seconds.

    Attributes:
        reach: attempts while nobody has answered yet: without a network, a person wants to know soon.
        first, most: the first pause, which doubles from one to the next, and the longest.
        asked: the longest that the Hub may ask for (`Retry-After`); a longer wait is reported to the user.
    """

    tries: int = 6
    reach: int = 2
    first: float = 1.0
    most: float = 8.0
    asked: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, failed: int, asked: float | None, *, reached: bool = True) -> float | None:
        """Seconds to wait after `failed` attempts in a row; None: give up."""
        if failed >= (self.tries if reached else self.reach) or (asked is not None and asked > self.asked):
            return None
        return max(min(self.first * 2.0 ** (failed - 1), self.most), asked or 0.0)


def retry_after(value: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or as a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        then = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max((then - datetime.now(UTC)).total_seconds(), 0.0)
