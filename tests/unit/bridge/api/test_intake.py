"""Bodies share one bound in memory: large ones wait for room or are refused in time, small ones never wait."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from embedstack.bridge.api.intake import READ, Intake
from embedstack.bridge.errors import BodiesFull
from embedstack.bridge.request import Departure


class Sender:
    """Sends a body in pieces, as fast as it is read."""

    def __init__(self, intake: Intake, pieces: Sequence[int]) -> None:
        self.intake = intake
        self.pieces = list(pieces)
        self.received = 0
        self.most = 0

    async def __call__(self) -> Message:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": bytes(self.pieces.pop(0)), "more_body": bool(self.pieces)}

    async def send(self) -> None:
        """The whole body."""
        async with asyncio.timeout(None) as timer:
            with self.intake.body(timer) as share:
                while self.pieces:
                    message = await share.read(self)
                    self.received += len(message["body"])
                    self.most = max(self.most, self.intake.taken)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, READ), min_size=1, max_size=12), min_size=1, max_size=12), st.integers(1, 6))
def test_every_body_arrives(bodies: list[list[int]], bound: int) -> None:
    """However many share however little room, none waits for ever; together they keep to the bound and one body."""
    intake = Intake(bound * READ, 30.0)
    senders = [Sender(intake, pieces) for pieces in bodies]

    async def all_of_them() -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*(sender.send() for sender in senders))

    sizes = [sum(pieces) for pieces in bodies]
    asyncio.run(all_of_them())

    assert sizes == [sender.received for sender in senders]
    assert intake.taken == 0
    small = 2 * READ * len(bodies)  # each may have two pieces before it is asked to wait
    assert max(sender.most for sender in senders) <= bound * READ + max(sizes) + small


async def stalled(intake: Intake, size: int) -> asyncio.Task[None]:
    """A body of which so many bytes have come, and no more do."""

    async def receive() -> Message:
        if share.size >= size:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": bytes(READ), "more_body": True}

    async def stall() -> None:
        with share:
            while True:
                await share.read(receive)

    async with asyncio.timeout(None) as timer:
        share = intake.body(timer)
        task = asyncio.create_task(stall())
        while share.size < size and not intake.waits:  # noqa: ASYNC110 -- it is looked at from outside
            await asyncio.sleep(0)
    return task


def test_small_bodies_never_wait() -> None:
    """Though large ones have stalled and hold all there is."""

    async def many() -> None:
        intake = Intake(4 * READ, 30.0)
        holders = [await stalled(intake, size * READ) for size in (3, 8, 8)]
        async with asyncio.timeout(5):
            await asyncio.gather(*(Sender(intake, [READ // 4] * 4).send() for _ in range(1000)))
        for holder in holders:
            holder.cancel()

    asyncio.run(many())


def test_a_body_without_room_is_refused_in_time() -> None:
    """503 with the bound, the time and when to come again; what stalled keeps what it has."""

    async def refused() -> str:
        intake = Intake(4 * READ, 0.05)
        holders = [await stalled(intake, size * READ) for size in (3, 8)]
        with pytest.raises(BodiesFull) as full:
            await Sender(intake, [READ] * 4).send()
        assert full.value.retry_after
        for holder in holders:
            holder.cancel()
        await asyncio.gather(*holders, return_exceptions=True)
        assert intake.taken == 0
        await Sender(intake, [READ] * 4).send()
        return str(full.value)

    assert "limits.bodies_bytes (1310720 bytes)" in asyncio.run(refused())


def test_a_client_that_leaves_waits_no_longer() -> None:
    """And takes nothing with it."""

    async def left() -> None:
        intake, departure = Intake(READ, 30.0), Departure()
        holder = await stalled(intake, 3 * READ)
        async with asyncio.timeout(5) as timer:
            with intake.body(timer, departure) as share:
                for _ in range(2):
                    asyncio.get_running_loop().call_later(0.05, departure.happen)
                    await share.read(Sender(intake, [READ]))
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)
        assert intake.taken == 0

    asyncio.run(left())


def test_waiting_is_not_charged_with_the_bodys_own_time() -> None:
    """Who waits for room has its seconds left afterwards."""

    async def waited() -> None:
        intake = Intake(READ, 30.0)
        holder = await stalled(intake, 3 * READ)
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, holder.cancel)
        async with asyncio.timeout(0.2) as timer:
            with intake.body(timer) as share:
                for _ in range(3):
                    await share.read(Sender(intake, [READ]))

    asyncio.run(waited())
