"""A child that misbehaves is reported, ended and started again; it never stops the bridge."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from embedstack.bridge.backends.child import Child, Launch
from embedstack.bridge.errors import EngineNotReady

pytestmark = pytest.mark.process

SERVES = 'import sys; print(\'{"url": "http://127.0.0.1:1"}\', flush=True); sys.stdin.read()'
LONG_LINES = "import sys; sys.stderr.write('x' * 1_000_000); sys.stderr.flush(); " + SERVES


@asynccontextmanager
async def child(program: str) -> AsyncIterator[Child]:
    made = Child(lambda: Launch([sys.executable, "-c", program]), start_timeout=20)
    try:
        yield made
    finally:
        await made.stop()


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.mark.parametrize("line", ["hello", "[]", "7"])
def test_a_first_line_that_describes_nothing_is_reported_and_leaves_no_process(line: str) -> None:
    """Each attempt ends what it started: the next would otherwise stand beside it."""

    async def run() -> None:
        async with child(f"print({line!r}, flush=True); import sys; sys.stdin.read()") as engine:
            with pytest.raises(EngineNotReady, match="where it describes itself"):
                await engine.start()
            assert engine.pid is not None
            assert not alive(engine.pid)

    asyncio.run(run())


def test_a_line_longer_than_any_buffer_stops_nothing() -> None:
    """A megabyte without a line break on standard error, and the engine still comes up."""

    async def run() -> None:
        async with child(LONG_LINES) as engine:
            await engine.start()
            assert await engine.wait_serving(20) == {"url": "http://127.0.0.1:1"}

    asyncio.run(run())


def test_one_that_is_stuck_is_ended_and_replaced() -> None:
    """After `kill` the watcher starts the next, under another process id."""

    async def run() -> None:
        async with child(SERVES) as engine:
            await engine.start()
            first = engine.pid
            engine.kill()
            await engine.wait_serving(20)
            assert engine.restarts == 1
            assert engine.pid != first

    asyncio.run(run())


def test_an_end_with_words_repeats_the_words() -> None:
    """What llama.cpp wrote last is what a person needs to see."""

    async def run() -> None:
        async with child("import sys; sys.exit('no such model')") as engine:
            with pytest.raises(EngineNotReady, match="no such model"):
                await engine.start()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("number", "may_be_text"), [(signal.SIGKILL, False), (signal.SIGTERM, False), (signal.SIGSEGV, True)]
)
def test_how_it_ended_is_known(number: signal.Signals, may_be_text: bool) -> None:
    """Who asks while it runs learns its end, though the next one may run by then; the log names the signal."""

    async def run() -> None:
        async with child(SERVES) as engine:
            await engine.start()
            end = engine.end
            assert engine.pid is not None
            os.kill(engine.pid, number)
            ending = await asyncio.wait_for(end, 20)
            assert (ending.status, ending.may_be_text) == (-number, may_be_text)
            assert number.name in str(ending)
            await engine.wait_serving(20)
            assert engine.end is not end

    asyncio.run(run())


def test_its_own_kill_is_known_as_such() -> None:
    """A reset is not evidence of anything."""

    async def run() -> None:
        async with child(SERVES) as engine:
            await engine.start()
            end = engine.end
            engine.kill()
            assert (await asyncio.wait_for(end, 20)).by_us

    asyncio.run(run())
