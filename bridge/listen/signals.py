"""Signals from the first line on: what comes during the start-up is neither lost nor the end of the bridge.

The rest of the bridge takes a second to import, so nothing of it is imported here.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType


class Hangup:
    """SIGHUP, which asks for the configuration to be read again. One that comes before anybody listens is kept."""

    def __init__(self) -> None:
        self._came = False
        self._listener: Callable[[], object] | None = None

    def catch(self) -> None:
        signal.signal(signal.SIGHUP, self._come)

    def listen(self, listener: Callable[[], object]) -> None:
        """From now on it is called, in the main thread between any two of its steps; at once for what has come."""
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
    """For the start-up: SIGHUP is kept, and SIGTERM or SIGINT end what has no engine and no client yet, without a word.
    SIGINT where a shell has set it to be ignored stays so.
    """
    HANGUP.catch()
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(_: int, __: FrameType | None) -> None:
    os._exit(0)  # an exception may come out anywhere in an import, and be lost there
