"""Signal handlers from the first line on: a SIGHUP during start-up is neither lost nor fatal.

The rest of the bridge takes a second to import, so none of it is imported here.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType


class Hangup:
    """SIGHUP, which asks the bridge to read its configuration again. One that comes before `listen` is remembered."""

    def __init__(self) -> None:
        self._came = False
        self._listener: Callable[[], object] | None = None

    def catch(self) -> None:
        signal.signal(signal.SIGHUP, self._come)

    def listen(self, listener: Callable[[], object]) -> None:
        """Call `listener` at each SIGHUP, in the main thread between any two steps; at once if one has already come."""
        self._listener = listener
        if self._came:
            listener()

    def _come(self, _: int, __: FrameType | None) -> None:
        if self._listener is None:
            self._came = True
        else:
            self._listener()


HANGUP = Hangup()


def hold() -> None:
    """Handlers for the start-up. SIGHUP is remembered. SIGTERM and SIGINT end the process silently, since it has no
    engine and no client yet. If a shell has set SIGINT to be ignored, it stays ignored.
    """
    HANGUP.catch()
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(_: int, __: FrameType | None) -> None:
    os._exit(0)  # an exception could be raised anywhere in an import, and be lost there
