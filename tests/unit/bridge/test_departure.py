"""What is waited for on behalf of a client ends with it."""

import asyncio

import pytest

from embedstack.bridge.errors import ClientGone
from embedstack.bridge.request import Departure, unless_gone


async def answer() -> str:
    await asyncio.sleep(0)
    return "answer"


@pytest.mark.parametrize("departure", [None, Departure()], ids=["no connection", "a client that stays"])
def test_a_client_that_stays_has_what_it_waits_for(departure: Departure | None) -> None:
    """And nothing is called when it leaves later."""
    assert asyncio.run(unless_gone(answer(), departure)) == "answer"
    assert departure is None or departure.on_gone is None


@pytest.mark.parametrize("early", [True, False], ids=["gone before", "goes meanwhile"])
def test_a_client_that_leaves_ends_the_waiting(early: bool) -> None:
    """What was waited for is cancelled, and the request ends as one whose client has gone."""
    ended: list[bool] = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def left() -> None:
        departure = Departure()
        if early:
            departure.happen()
        waits = asyncio.create_task(unless_gone(never(), departure))
        await asyncio.sleep(0.01)
        departure.happen()
        await waits

    with pytest.raises(ClientGone):
        asyncio.run(left())
    assert ended == ([] if early else [True])


def test_a_request_that_is_cancelled_is_no_client_that_left() -> None:
    """As at a shutdown."""

    async def cancelled() -> None:
        waits = asyncio.create_task(unless_gone(asyncio.Event().wait(), Departure()))
        await asyncio.sleep(0)
        waits.cancel()
        await waits

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
