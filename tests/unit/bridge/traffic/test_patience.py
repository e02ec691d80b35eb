"""A request's patience counts all its waits together, and nothing that was not its own or was of use."""

import asyncio
from collections.abc import Iterator

import pytest

from embedstack.bridge.traffic.item import Ticket
from embedstack.bridge.traffic.pace import Patience


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def ticket(loop: asyncio.AbstractEventLoop) -> Ticket:
    return Ticket([], loop.create_future(), lambda _: None)


def test_waits_add_up_however_often_the_engine_came_back(loop: asyncio.AbstractEventLoop) -> None:
    """Ten outages of three seconds are thirty, whatever lies between them."""
    clock = Clock()
    patience, waits = Patience(30, clock), ticket(loop)
    patience.begin(waits)
    for outage in range(10):
        assert patience.overdue() == [], outage
        clock.now += 50
        patience.use()
        clock.now += 3
        patience.lose()

    assert patience.overdue() == [waits]


def test_time_in_which_an_engine_worked_is_not_lost(loop: asyncio.AbstractEventLoop) -> None:
    """A slow engine or a long queue is not an outage."""
    clock = Clock()
    patience = Patience(30, clock)
    patience.begin(ticket(loop))
    clock.now += 3600
    patience.use()

    assert patience.overdue() == []


def test_what_was_lost_before_it_came_is_not_its_own(loop: asyncio.AbstractEventLoop) -> None:
    """Each request has the whole of it; the idle time before the first failure is nobody's."""
    clock = Clock()
    patience, old, new = Patience(30, clock), ticket(loop), ticket(loop)
    patience.begin(old)
    clock.now += 25
    patience.lose()
    patience.begin(new)
    clock.now += 10
    patience.lose()
    assert patience.overdue() == [old]

    patience.end(old)
    clock.now += 19
    patience.lose()
    assert patience.overdue() == []
    clock.now += 1
    patience.lose()
    assert patience.overdue() == [new]
    late = ticket(loop)
    clock.now += 3600  # idle
    patience.begin(late)
    clock.now += 1
    patience.lose()
    assert late not in patience.overdue()


def test_without_patience_the_first_loss_ends_it(loop: asyncio.AbstractEventLoop) -> None:
    """A setting of 0 keeps nobody waiting."""
    patience, waits = Patience(0, Clock()), ticket(loop)
    patience.begin(waits)

    assert patience.overdue() == [waits]
