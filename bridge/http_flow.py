"""Reading that pauses, and a client that leaves while it does."""

import asyncio
import select
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl

# Seconds between two looks at a connection that is not being read. Nothing else tells that its client has gone: the end
# of a connection is read like its bytes, behind those that nobody has read.
LOOK = 0.3
# Linux alone tells of an end behind unread bytes; elsewhere only a reset is noticed.
_ENDED = getattr(select, "POLLRDHUP", 0)  # of POLLHUP and POLLERR poll tells unasked


class Flow(FlowControl):
    """`gone` is called once the other side has ended its sending, or reset the connection, while reading is paused."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, gone: Callable[[], None]) -> None:
        super().__init__(transport)
        self._loop = loop
        self._gone = gone
        self._timer: asyncio.TimerHandle | None = None

    def pause_reading(self) -> None:
        super().pause_reading()
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK, self._look)

    def resume_reading(self) -> None:
        if self.read_paused:
            super().resume_reading()
            self.stop()

    def stop(self) -> None:
        """The connection is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._transport.is_closing():
            return
        looking = select.poll()
        looking.register(self._transport.get_extra_info("socket").fileno(), _ENDED)
        if looking.poll(0):
            self._gone()
        else:
            self._timer = self._loop.call_later(LOOK, self._look)
