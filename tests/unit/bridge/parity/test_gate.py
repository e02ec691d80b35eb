"""Who may join a pool: engines that agree, no matter who is slow; not one that disagrees, no matter who is first."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from embedstack.bridge.backends.base import Call, Embedded, EngineFacts
from embedstack.bridge.engines import engine as engine_module
from embedstack.bridge.request import KeepAlive
from tests.unit.bridge.engines.toy_pool import ToyEngine, Toys, assert_right, run, until


@dataclass
class Paced(ToyEngine):
    """Takes `turns` of the event loop for every answer, and says `quantisation` of itself."""

    turns: int = 1
    quantisation: str | None = None

    async def identity(self) -> str:
        await self._pause()
        return await super().identity()

    async def facts(self) -> EngineFacts:
        await self._pause()
        return EngineFacts("ollama", "1", "demo", 512, quantisation=self.quantisation, digest=self.digest)

    async def embed(
        self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False, call: Call | None = None
    ) -> Embedded:
        await self._pause()
        return await super().embed(texts, keep_alive=keep_alive, as_float=as_float, call=call)

    async def _pause(self) -> None:
        for _ in range(self.turns):
            await asyncio.sleep(0)


def pool(*turns: int, **facts: str) -> list[Paced]:
    return [Paced(name=f"toy {n}", turns=each, **facts) for n, each in enumerate(turns)]  # type: ignore[arg-type]


PACES = [(1, 1), (1, 40), (40, 1), (3, 3), (1, 1, 1), (1, 30, 7), (40, 1, 1), (5, 5, 5, 5)]


@pytest.mark.parametrize("paces", PACES, ids=str)
def test_engines_that_agree_are_all_ready_without_an_alarm(
    paces: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Examined at the same moment, in whatever order they finish; each is asked for its golden texts once."""

    async def scenario(toys: Toys) -> None:
        assert [engine.state.phase for engine in toys.fleet.engines] == ["ready"] * len(paces)
        assert_right(await toys.ask("text"), "text")

    run(scenario, *pool(*paces))
    assert "is out" not in caplog.text


def test_a_slow_engine_keeps_no_other_waiting() -> None:
    """The first in the list answers only once the second has been examined whole."""

    @dataclass
    class Slow(Paced):
        async def embed(
            self,
            texts: Sequence[str],
            *,
            keep_alive: KeepAlive = None,
            as_float: bool = False,
            call: Call | None = None,
        ) -> Embedded:
            await until(lambda: fast.checks == 3)
            return await super().embed(texts, keep_alive=keep_alive, as_float=as_float, call=call)

    fast = Paced(name="fast")

    async def scenario(toys: Toys) -> None:
        assert [engine.state.phase for engine in toys.fleet.engines] == ["ready", "ready"]

    run(scenario, Slow(name="slow"), fast)


@pytest.mark.parametrize("paces", list(itertools.product((1, 9), (1, 9))), ids=str)
def test_other_weights_at_the_same_moment_are_kept_out(paces: tuple[int, int]) -> None:
    """One of two that disagree serves, the other is refused for its vectors."""
    right, other = pool(*paces)
    other.weights = "other"

    async def scenario(toys: Toys) -> None:
        refused = [engine for engine in toys.fleet.engines if engine.state.phase == "refused"]
        assert sorted(engine.state.phase for engine in toys.fleet.engines) == ["ready", "refused"]
        assert "stored vectors" in refused[0].state.reason

    run(scenario, right, other)


@pytest.mark.parametrize("paces", list(itertools.product((1, 9), (1, 9))), ids=str)
def test_other_precisions_at_the_same_moment_are_kept_out(
    paces: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each says its own, and their vectors are alike: the first to pass decides, and the other is named."""
    monkeypatch.setattr("tests.unit.bridge.engines.toy_pool.WANTED", None)
    monkeypatch.setattr("embedstack.bridge.parity.gate.Gate._precision", lambda _, facts: facts.quantisation)
    engines = pool(*paces)
    engines[0].quantisation, engines[1].quantisation = "f16", "Q8_0"

    async def scenario(toys: Toys) -> None:
        first, second = sorted(toys.fleet.engines, key=lambda engine: engine.state.phase)
        assert (first.state.phase, second.state.phase) == ("ready", "refused")
        assert "while the pool serves" in second.state.reason
        assert first.ready is not None
        assert toys.fleet.fingerprint.precision == first.ready.precision

    run(scenario, *engines)


def test_an_engine_that_returns_to_a_pool_of_another_precision_is_kept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it was away another one was taken in its place; vectors that are near are still another precision's."""
    monkeypatch.setattr("tests.unit.bridge.engines.toy_pool.WANTED", None)
    monkeypatch.setattr("embedstack.bridge.parity.gate.Gate._precision", lambda _, facts: facts.quantisation)
    monkeypatch.setattr(engine_module, "FIRST_RETURN", 0.001)
    monkeypatch.setattr(engine_module, "FIRST_RETRY", 0.01)
    first, second = pool(1, 1)
    first.quantisation, second.quantisation = "f16", "Q8_0"
    second.down = True

    async def scenario(toys: Toys) -> None:
        of_first, of_second = toys.fleet.engines
        assert of_first.is_ready
        first.down = True
        asked = asyncio.create_task(toys.ask("text"))
        await until(lambda: of_first.state.phase == "away")
        second.down = False
        await until(lambda: of_second.is_ready)
        await asyncio.gather(asked, return_exceptions=True)
        first.down = False
        await until(lambda: of_first.state.phase == "refused")
        assert "f16, while the pool serves Q8_0" in of_first.state.reason
        assert toys.fleet.fingerprint.precision == "Q8_0"

    run(scenario, first, second)
