"""Who waits for the engine does so in order, within bounds, and leaves no trace when they go."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import QueueFull
from bridge.queue import EngineQueue


def queue(*, concurrency: int = 1, texts: int = 100, size: int = 10_000) -> EngineQueue:
    return EngineQueue(concurrency=concurrency, texts=texts, size=size)


def run(scenario: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 10))


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("concurrency", [1, 2, 5])
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_requests_are_served_in_the_order_they_came(concurrency: int, sizes: list[int]) -> None:
    """First in, first out whatever their sizes, and never more at once than allowed."""

    async def scenario() -> None:
        line = queue(concurrency=concurrency, texts=1000)
        started: list[int] = []
        at_once = most = 0

        async def ask(number: int, texts: int) -> None:
            nonlocal at_once, most
            async with line.turn(texts, texts):
                started.append(number)
                at_once += 1
                most = max(most, at_once)
                for _ in range(texts):
                    await asyncio.sleep(0)
                at_once -= 1

        await asyncio.gather(*(ask(number, texts) for number, texts in enumerate(sizes)))

        assert list(range(len(sizes))) == started
        assert min(concurrency, len(sizes)) >= most > 0
        assert (line.waiting_texts, line.waiting_bytes) == (0, 0)

    run(scenario())


@pytest.mark.parametrize(
    ("texts", "size", "fits"),
    [(40, 4000, True), (41, 1, False), (1, 4001, False), (0, 0, True), (1000, 1_000_000, False)],
)
def test_a_full_queue_refuses_at_once(texts: int, size: int, fits: bool) -> None:
    """By texts and by bytes; those at the engine count, and what is refused leaves no trace."""

    async def scenario() -> None:
        line = queue()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(line.turn(60, 6000))
            asking = asyncio.create_task(stack.enter_async_context(line.turn(texts, size)))
            await settle()

            assert fits is not asking.done()
            if fits:
                assert (60 + texts, 6000 + size) == (line.waiting_texts, line.waiting_bytes)
                asking.cancel()
                await settle()
            else:
                with pytest.raises(QueueFull, match=r"60 texts of 6000 bytes .* 100 texts and 10000 bytes") as refused:
                    await asking
                assert refused.value.status == 503
            assert (line.waiting_texts, line.waiting_bytes) == (60, 6000)

    run(scenario())


def test_one_large_request_passes_an_empty_queue() -> None:
    """What is larger than the whole queue could otherwise never be served."""

    async def scenario() -> None:
        line = queue()
        async with line.turn(5000, 5_000_000):
            assert line.waiting_texts == 5000

    run(scenario())


def test_whoever_gives_up_waiting_is_forgotten() -> None:
    """A client that goes frees its place, and those behind it are served."""

    async def scenario() -> None:
        line = queue()
        served: list[str] = []

        async def ask(name: str) -> None:
            async with line.turn(1, 1):
                served.append(name)

        async with line.turn(1, 1):
            tasks = {name: asyncio.create_task(ask(name)) for name in "abc"}
            await settle()
            tasks["b"].cancel()
            await settle()
            assert line.waiting_texts == 3
        await asyncio.gather(*tasks.values(), return_exceptions=True)

        assert served == ["a", "c"]
        assert line.waiting_texts == 0

    run(scenario())


def test_a_failure_at_the_engine_frees_the_slot() -> None:
    """The next in line is served as if nothing had happened."""

    async def scenario() -> None:
        line = queue()
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with line.turn(1, 1):
                    raise ZeroDivisionError
        async with line.turn(1, 1):
            assert line.waiting_texts == 1

    run(scenario())


def test_the_time_to_come_back_follows_the_engines_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """It grows with what waits and with how long texts have taken, and has a least and a most."""

    async def scenario() -> None:
        line = queue(texts=100_000)
        now = 0.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)

        assert line.seconds_until_free() == 1
        for _ in range(50):
            async with line.turn(10, 10):
                now += 20.0
        async with line.turn(30, 30):
            assert line.seconds_until_free() == pytest.approx(60, abs=1)
        async with line.turn(90_000, 1):
            assert line.seconds_until_free() == 600

    asyncio.run(scenario())
