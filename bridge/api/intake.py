"""Memory for the bodies that are on their way, of all requests together.

A body takes what it has received. Where all of them take the bound, further ones are left with their senders: they are
not read, and TCP holds the senders back. One at a time is read beyond the bound, to its end, so that bodies that each
wait for room cannot wait for each other. A small body never waits, and what waits is not charged with the time.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from starlette.types import Message, Receive

from embedstack.bridge.errors import BodiesFull
from embedstack.bridge.request import Departure

# Where it is, in the ASGI scope.
INTAKE = "intake"
# Bytes that a read may bring: what uvicorn keeps before it pauses, and a buffer of uvloop's.
READ = 320 * 1024
# Seconds: what stalls is given up in limits.body_timeout, what does not takes moments.
RETRY_AFTER = 5


class Intake:
    """At most `most` bytes, and one body beyond; `patience`: seconds for which a body waits for room, all in all."""

    def __init__(self, most: int, patience: float) -> None:
        self.most = most
        self.patience = patience
        self.taken = 0
        self._beyond: Body | None = None
        self._waiting: deque[tuple[Body, asyncio.Future[int]]] = deque()

    @property
    def waits(self) -> bool:
        """Whether any body waits for room."""
        return bool(self._waiting)

    def body(self, timer: asyncio.Timeout, departure: Departure | None = None) -> "Body":
        """For one request; `timer` stands still while it waits for room."""
        return Body(self, timer, departure)

    def admits(self, body: "Body") -> bool:
        """Whether it may read on; then that is charged."""
        if self.taken + READ > self.most:
            if self._beyond not in (None, body):
                return False
            self._beyond = body
        body.charge(READ)
        return True

    async def wait(self, body: "Body") -> int:
        """Until it may read on: what is charged for that; 0 where its client left. TimeoutError after what is left of
        its patience.
        """
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        entry = (body, turn)
        self._waiting.append(entry)
        body.on_gone(lambda: None if turn.done() else turn.set_result(0))
        try:
            async with asyncio.timeout(body.patience):
                return await turn
        finally:
            body.on_gone(None)
            if entry in self._waiting:
                self._waiting.remove(entry)

    def release(self, body: "Body") -> None:
        """It is done with, whatever came of it."""
        body.charge(-body.size)
        if self._beyond is body:
            self._beyond = None
        while self._waiting and (self._waiting[0][1].done() or self.admits(self._waiting[0][0])):
            _, turn = self._waiting.popleft()
            if not turn.done():  # its client has left, or its patience ended
                turn.set_result(READ)


class Body:
    """One body's share."""

    def __init__(self, intake: Intake, timer: asyncio.Timeout, departure: Departure | None) -> None:
        self.size = 0
        self.patience = intake.patience
        self._intake = intake
        self._timer = timer
        self._departure = departure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._intake.release(self)

    def charge(self, size: int) -> None:
        self.size += size
        self._intake.taken += size

    def on_gone(self, leaves: Callable[[], object] | None) -> None:
        if self._departure is not None:
            self._departure.on_gone = leaves

    async def read(self, receive: Receive) -> Message:
        """Its next piece. BodiesFull where others left no room for it in time."""
        ahead = 0
        if self.size >= READ:
            ahead = READ if self._intake.admits(self) else await self._room()
        message = await receive()
        self.charge(len(message.get("body", b"")) - ahead)
        return message

    async def _room(self) -> int:
        loop = asyncio.get_running_loop()
        began, due = loop.time(), self._timer.when()
        self._timer.reschedule(None)
        try:
            ahead = await self._intake.wait(self)
        except TimeoutError as error:
            raise BodiesFull(
                f"The bodies of other requests take all of limits.bodies_bytes ({self._intake.most} bytes), and left "
                f"this one no room for {self._intake.patience:g} s.",
                "Send it again later, or in smaller requests, or raise limits.bodies_bytes.",
                retry_after=RETRY_AFTER,
            ) from error
        waited = loop.time() - began
        self.patience -= waited
        self._timer.reschedule(None if due is None else due + waited)
        return ahead
