"""Several engines as one: nothing lost, nothing twice, nothing out of order, and nobody blamed without proof."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from embedstack.bridge.backends.base import (
    Call,
    Embedded,
    EngineBusy,
    EngineDied,
    EngineDown,
    EngineGarbled,
    EngineKilled,
)
from embedstack.bridge.backends.checks import BrokenVectors
from embedstack.bridge.engines import engine as engine_module
from embedstack.bridge.engines import outage as outage_module
from embedstack.bridge.engines.engine import EngineLimits
from embedstack.bridge.errors import (
    BridgeError,
    ClientGone,
    DeadlineMissed,
    EngineNotReady,
    EngineTimeout,
    EngineUnavailable,
    QueueFull,
    TextKillsEngine,
)
from embedstack.bridge.parity.golden import GoldenStore
from embedstack.bridge.request import Caller, Departure, KeepAlive
from embedstack.bridge.supply import Supplied, WantedRows
from embedstack.bridge.traffic import pace
from tests.unit.bridge.engines.toy_pool import GOLDEN, ToyEngine, Toys, assert_right, run, until


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedstack.bridge.engines.retry.FIRST_DELAY", 0)
    monkeypatch.setattr(engine_module, "FIRST_RETURN", 0.001)


def batch(size: int) -> list[str]:
    return [f"text {n}" for n in range(size)]


# --- one engine -------------------------------------------------------------------------------------------------------


def test_a_serial_engine_gets_one_call_at_a_time() -> None:
    """Ollama embeds one text after another: many calls at once would only queue inside it, where no query overtakes."""

    async def scenario(toys: Toys) -> None:
        await asyncio.gather(*(toys.ask(text) for text in batch(20)))
        assert toys.engines[0].most_in_flight == 1
        assert sorted(toys.engines[0].texts) == sorted(batch(20))

    run(scenario, ToyEngine())


def test_a_query_overtakes_the_documents_that_wait() -> None:
    """It is the next call, whatever is queued."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        documents = [asyncio.create_task(toys.ask("d" * 600 + str(n))) for n in range(20)]
        await until(lambda: engine.calls)
        query = asyncio.create_task(toys.ask("query", lane="interactive"))
        await asyncio.sleep(0)
        engine.gate.set()
        assert_right(await query, "query")
        assert engine.texts.index("query") == 1
        await asyncio.gather(*documents)

    run(scenario, ToyEngine())


def test_identical_texts_in_flight_are_computed_once() -> None:
    """No matter who asks, and however often in one request."""

    async def scenario(toys: Toys) -> None:
        answers = await asyncio.gather(*(toys.ask("same", "same", "other") for _ in range(50)))
        for answer in answers:
            assert_right(answer, "same", "same", "other")
        assert sorted(toys.engines[0].texts) == ["other", "same"]
        assert sum(answer.found.miss for answer in answers) == 2
        assert sum(answer.found.joined for answer in answers) == 148

    run(scenario, ToyEngine())


def test_parts_of_the_cache_share_no_flight_but_every_killer() -> None:
    """A text is on its way once for each part, and found there alone; one that ends engines is known in all."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        asked = [asyncio.create_task(toys.ask("same", part=part)) for part in ("one", "one", "other", "")]
        await until(lambda: engine.calls)
        engine.gate.set()
        found = [answer.found for answer in await asyncio.gather(*asked)]
        assert [(one.miss, one.joined) for one in found] == [(1, 0), (0, 1), (1, 0), (1, 0)]
        assert engine.texts == ["same"] * 3
        assert [(await toys.ask("same", part=part)).found.hit for part in ("one", "other", "", "third")] == [1, 1, 1, 0]
        with pytest.raises(TextKillsEngine):
            await toys.ask("killer", part="one")
        calls = len(engine.calls)
        with pytest.raises(TextKillsEngine):
            await toys.ask("killer", part="other")
        assert len(engine.calls) == calls

    run(scenario, ToyEngine(killers=frozenset({"killer"})), memory=1 << 20)


def test_a_query_takes_a_document_along() -> None:
    """The same text that waits in the bulk lane goes first now, once, and answers both."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        documents = [asyncio.create_task(toys.ask("d" * 600 + str(n))) for n in range(5)]
        await until(lambda: engine.calls)
        both = [asyncio.create_task(toys.ask("d" * 600 + "4", lane="interactive"))]
        await asyncio.sleep(0)
        engine.gate.set()
        await asyncio.gather(*documents, *both)
        assert [text[600:] for text in engine.texts] == ["0", "4", "1", "2", "3"]

    run(scenario, ToyEngine())


def test_what_is_in_the_cache_reaches_no_engine() -> None:
    """Nothing is computed twice, and the tokens are those of the first time."""

    async def scenario(toys: Toys) -> None:
        first, second = await toys.ask("text"), await toys.ask("text")
        assert (first.found.miss, second.found.hit) == (1, 1)
        assert first.rows[0].tokens == second.rows[0].tokens == 4
        assert toys.engines[0].texts == ["text"]

    run(scenario, ToyEngine(), memory=1 << 20)


def test_a_client_that_left_is_not_computed_for() -> None:
    """What no engine has yet is taken back; what others wait for is not."""

    async def scenario(toys: Toys) -> None:
        engine, departure = toys.engines[0], Departure()
        engine.gate = asyncio.Event()
        first = asyncio.create_task(toys.ask("first"))
        await until(lambda: engine.calls)
        left = asyncio.create_task(toys.ask("only mine", "shared", departure=departure))
        other = asyncio.create_task(toys.ask("shared"))
        await asyncio.sleep(0)
        departure.happen()
        with pytest.raises(ClientGone):
            await left
        assert toys.scheduler.waiting_texts == 1
        engine.gate.set()
        assert_right(await other, "shared")
        await first
        assert engine.texts == ["first", "shared"]

    run(scenario, ToyEngine())


def test_a_client_that_left_before_it_waited_is_not_queued() -> None:
    """Its connection may break while its body is read."""

    async def scenario(toys: Toys) -> None:
        departure = Departure()
        departure.happen()
        toys.engines[0].gate = asyncio.Event()
        first = asyncio.create_task(toys.ask("first"))
        await until(lambda: toys.engines[0].calls)
        with pytest.raises(ClientGone):
            await toys.ask("nobody reads this", departure=departure)
        assert toys.scheduler.waiting_texts == 0
        toys.engines[0].gate.set()
        await first

    run(scenario, ToyEngine())


def test_a_deadline_ends_the_wait() -> None:
    """With a time to come back, and what waited for it alone is not computed."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        first = asyncio.create_task(toys.ask("first"))
        await until(lambda: engine.calls)
        with pytest.raises(DeadlineMissed) as missed:
            await toys.ask("late", timeout=0.01)
        assert missed.value.retry_after
        engine.gate.set()
        await first
        assert engine.texts == ["first"]

    run(scenario, ToyEngine())


def test_a_deadline_that_cannot_be_met_is_refused_at_once() -> None:
    """At the measured pace, so that the client may ask elsewhere."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        toys.scheduler.pace.measure(100, 100.0)
        documents = [asyncio.create_task(toys.ask("d" * 600 + str(n))) for n in range(10)]
        await until(lambda: engine.calls)
        with pytest.raises(DeadlineMissed, match="ahead of it"):
            await toys.ask("in a hurry", timeout=5)
        query = asyncio.create_task(toys.ask("a query goes first", lane="interactive", timeout=5))
        await asyncio.sleep(0)
        engine.gate.set()
        assert_right(await query, "a query goes first")
        await asyncio.gather(*documents)

    run(scenario, ToyEngine())


def test_a_full_queue_refuses_and_recovers() -> None:
    """One refusal takes no place, and the next request after the rush is served."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        first = asyncio.create_task(toys.ask("first"))
        await until(lambda: engine.calls)
        waiting = [asyncio.create_task(toys.ask(text)) for text in batch(10)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await toys.ask("one more")
        engine.gate.set()
        await asyncio.gather(first, *waiting)
        assert_right(await toys.ask("one more"), "one more")

    run(scenario, ToyEngine(), texts=10)


@pytest.mark.parametrize("kind", ["ollama", "vllm"])
def test_single_texts_are_gathered_where_the_engine_profits(kind: str) -> None:
    """vLLM gets many in a call, but for the first, which never waits; Ollama gets each as it comes."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        await asyncio.gather(*(toys.ask("d" * 400 + str(n)) for n in range(33)))
        sizes = [len(call) for call in engine.calls]
        assert sizes == ([1] * 33 if kind == "ollama" else [1, 32])

    run(scenario, ToyEngine(kind=kind), limits=EngineLimits(concurrency=1 if kind == "ollama" else 2))


# --- several engines --------------------------------------------------------------------------------------------------


def test_a_batch_is_split_over_the_free_engines_and_put_back_in_order() -> None:
    """Each gets its part, and the client sees nothing of it."""

    async def scenario(toys: Toys) -> None:
        texts = batch(40)
        assert_right(await toys.ask(*texts), *texts)
        assert all(engine.texts for engine in toys.engines)
        assert sorted(text for engine in toys.engines for text in engine.texts) == sorted(texts)

    run(scenario, *(ToyEngine(name=f"toy {n}") for n in range(4)))


def test_a_part_that_fails_goes_to_another_engine() -> None:
    """The client sees nothing of that either, and the engine that failed is asked no more until it is back."""

    async def scenario(toys: Toys) -> None:
        broken, _ = toys.engines
        broken.gate = asyncio.Event()
        texts = batch(10)
        asked = asyncio.create_task(toys.ask(*texts))
        await until(lambda: broken.calls)
        broken.down = True
        broken.gate.set()
        assert_right(await asked, *texts)
        calls = len(broken.calls)
        assert_right(await toys.ask("after it"), "after it")
        assert len(broken.calls) == calls
        broken.down = False
        await until(lambda: all(engine.serves for engine in toys.fleet.engines))

    run(scenario, ToyEngine(name="broken"), ToyEngine(name="well"))


def test_a_busy_engine_leaves_its_part_to_another() -> None:
    """Only where there is no other is the client informed."""

    async def scenario(toys: Toys) -> None:
        toys.engines[0].script = [EngineBusy("busy")] * 3
        assert_right(await toys.ask("text"), "text")

    run(scenario, ToyEngine(name="busy"), ToyEngine(name="well"), limits=EngineLimits(attempts=3))

    async def alone(toys: Toys) -> None:
        toys.engines[0].script = [EngineBusy("busy")] * 3
        with pytest.raises(EngineBusy):
            await toys.ask("text")
        assert len(toys.engines[0].calls) == 3

    run(alone, ToyEngine(), limits=EngineLimits(attempts=3))


def test_a_killer_ends_two_calls_and_no_more() -> None:
    """In a pool of four it is known after its second death alone, and the others get their vectors."""

    async def scenario(toys: Toys) -> None:
        texts = [*batch(8), "killer"]
        with pytest.raises(TextKillsEngine, match="input 8:"):
            await toys.ask(*texts)
        deaths = sum("killer" in call for engine in toys.engines for call in engine.calls)
        assert deaths <= 3
        with pytest.raises(TextKillsEngine):
            await toys.ask("killer")
        assert deaths == sum("killer" in call for engine in toys.engines for call in engine.calls)
        assert_right(await toys.ask(*batch(8)), *batch(8))

    run(scenario, *(ToyEngine(name=f"toy {n}", killers=frozenset({"killer"})) for n in range(4)))


def test_a_bystander_of_another_request_gets_its_vector() -> None:
    """Gathered into the call that a killer ended, it is sent again alone."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        first = asyncio.create_task(toys.ask("first"))
        await until(lambda: engine.calls)
        asked = [asyncio.create_task(toys.ask(text)) for text in ("killer", "bystander")]
        await asyncio.sleep(0)
        engine.gate.set()
        with pytest.raises(TextKillsEngine):
            await asked[0]
        assert_right(await asked[1], "bystander")
        await first

    run(scenario, ToyEngine(killers=frozenset({"killer"})))


def test_a_timeout_is_reported_and_the_engine_is_checked() -> None:
    """The same text would take as long elsewhere."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.script = [EngineTimeout("slow")]
        checks = engine.checks
        with pytest.raises(EngineTimeout):
            await toys.ask("slow text")
        assert_right(await toys.ask("next"), "next")
        assert engine.checks == checks + 1

    run(scenario, ToyEngine())


@pytest.mark.parametrize(
    "error", [EngineKilled("killed from outside"), EngineGarbled("no end")], ids=["killed", "garbled"]
)
def test_an_end_that_no_text_can_have_made_blames_none(error: EngineDied) -> None:
    """However often it comes under the same text: it is sent again, and is never kept back."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        for _ in range(4):
            engine.script = [error] * 2
            assert_right(await toys.ask("text"), "text")
        engine.script = [error] * 3
        with pytest.raises(type(error)):
            await toys.ask("text")
        assert_right(await toys.ask("text"), "text")

    run(scenario, ToyEngine())


def test_an_engine_that_ends_under_everything_blames_nothing() -> None:
    """Its golden texts pass, and every other text alone ends it: something ends it that is not text."""
    texts = batch(6)

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.killers = frozenset(texts)
        asked = [asyncio.create_task(toys.ask(text)) for text in texts]
        errors = await asyncio.gather(*asked, return_exceptions=True)
        assert [error for error in errors if isinstance(error, TextKillsEngine)] == []
        engine.killers = frozenset()
        for text in texts:
            assert_right(await toys.ask(text), text)

    run(scenario, ToyEngine(), patience=1.0)


def test_patience_holds_over_all_waits_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that comes back again and again, and ends under whatever it is given: a hundred requests that wait
    for it are all informed within their patience and one call, not one after another."""

    @dataclass
    class Flapping(ToyEngine):
        async def embed(
            self,
            texts: Sequence[str],
            *,
            keep_alive: KeepAlive = None,
            as_float: bool = False,
            call: Call | None = None,
        ) -> Embedded:
            if not set(texts) <= set(GOLDEN) and self.killers:
                await asyncio.sleep(0.02)
                raise EngineDied("it ended")
            return await super().embed(texts, keep_alive=keep_alive, as_float=as_float, call=call)

    async def scenario(toys: Toys) -> None:
        engine, began = toys.engines[0], asyncio.get_running_loop().time()
        engine.killers = frozenset({"all of them"})
        asked = [asyncio.create_task(toys.ask(text)) for text in batch(300)]
        errors = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(error, EngineUnavailable) for error in errors)
        assert asyncio.get_running_loop().time() - began < 5  # 300 texts, three calls each of 20 ms: 18 s
        assert toys.scheduler.waiting_texts == 0
        assert any("comes and goes" in str(error) for error in errors)
        engine.killers = frozenset()
        await until(lambda: toys.fleet.is_ready)
        for text in batch(300)[::50]:
            assert_right(await toys.ask(text), text)

    monkeypatch.setattr(outage_module, "SWEEP", 0.01)
    run(scenario, Flapping(), patience=0.5)


@pytest.mark.slow
def test_a_slow_engine_and_a_long_queue_are_no_outage() -> None:
    """Patience is for engines that fail: what is computed slowly is waited for."""

    @dataclass
    class Slow(ToyEngine):
        async def embed(
            self,
            texts: Sequence[str],
            *,
            keep_alive: KeepAlive = None,
            as_float: bool = False,
            call: Call | None = None,
        ) -> Embedded:
            await asyncio.sleep(0.03)
            return await super().embed(texts, keep_alive=keep_alive, as_float=as_float, call=call)

    async def scenario(toys: Toys) -> None:
        toys.engines[0].script = [EngineDied("once")]
        asked = [asyncio.create_task(toys.ask("d" * 600 + text)) for text in batch(20)]
        assert len(await asyncio.gather(*asked)) == 20

    run(scenario, Slow(), patience=0.3)


# --- texts of which an engine makes no vector -------------------------------------------------------------------------


def test_a_text_that_is_always_nan_resets_the_engine_once() -> None:
    """It is remembered: later requests that hold it are refused with its index, and nothing is sent."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        with pytest.raises(BrokenVectors, match="not finite"):
            await toys.ask("nan")
        calls = len(engine.calls)
        for _ in range(4):
            with pytest.raises(BrokenVectors, match="not sent again"):
                await toys.ask("nan")
        with pytest.raises(BrokenVectors, match="input 1:"):
            await toys.ask("well", "nan")
        assert (engine.resets, len(engine.calls)) == (1, calls)
        assert_right(await toys.ask("well"), "well")

    run(scenario, ToyEngine(broken=frozenset({"nan"})))


def test_the_rest_of_its_batch_is_served() -> None:
    """Of one request the index is named, and the others' vectors are kept; those of other requests are answered."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        first = asyncio.create_task(toys.ask("first"))
        await until(lambda: engine.calls)
        asked = [asyncio.create_task(toys.ask(text)) for text in ("one", "nan", "two")]
        await asyncio.sleep(0)
        engine.gate.set()
        one, nan, two = await asyncio.gather(*asked, return_exceptions=True)
        await first
        assert isinstance(one, Supplied)
        assert isinstance(two, Supplied)
        assert_right(one, "one")
        assert_right(two, "two")
        assert isinstance(nan, BrokenVectors)
        assert engine.resets == 1
        with pytest.raises(BrokenVectors, match="not sent again"):
            await toys.ask("nan")

    run(scenario, ToyEngine(broken=frozenset({"nan"})), memory=1 << 20)


def test_an_engine_that_makes_nothing_right_blames_no_text() -> None:
    """Its golden texts fail as well: it is out, and the text is served when it is back."""

    @dataclass
    class Wedged(ToyEngine):
        async def reset(self) -> None:
            self.resets += 1

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.wedged = True
        with pytest.raises(BrokenVectors):
            await toys.ask("text")
        assert not toys.fleet.is_ready
        engine.wedged = False
        await until(lambda: toys.fleet.is_ready)
        assert_right(await toys.ask("text"), "text")

    run(scenario, Wedged())


def test_a_text_that_leaves_the_engine_broken_is_found_out() -> None:
    """After it nothing is right until a reset: others are served, and it is not sent again."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        with pytest.raises(BrokenVectors):
            await toys.ask("nan")
        assert_right(await toys.ask("well"), "well")
        resets = engine.resets
        with pytest.raises(BrokenVectors, match="not sent again"):
            await toys.ask("nan")
        assert engine.resets == resets

    run(scenario, ToyEngine(broken=frozenset({"nan"}), wedges=True))


# --- engines that come and go -----------------------------------------------------------------------------------------


def test_waiting_texts_outlast_an_engine_that_comes_back() -> None:
    """Nobody who waits learns of a restart, and what was in flight is sent again."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        asked = [asyncio.create_task(toys.ask(text)) for text in batch(30)]
        await until(lambda: engine.calls)
        engine.down = True
        engine.gate.set()
        await until(lambda: toys.fleet.engines[0].state.phase == "away")
        late = asyncio.create_task(toys.ask("came while it was away"))
        await asyncio.sleep(0.02)
        assert not late.done()
        engine.down = False
        for answer, text in zip(await asyncio.gather(*asked), batch(30), strict=True):
            assert_right(answer, text)
        assert_right(await late, "came while it was away")

    run(scenario, ToyEngine())


def test_patience_ends() -> None:
    """Then everyone who waits is informed why, and who comes later is informed at once."""

    async def scenario(toys: Toys) -> None:
        toys.engines[0].down = True
        with pytest.raises(EngineNotReady, match="down"):
            await toys.ask("text")
        with pytest.raises(EngineNotReady):
            toys.pool.admit()

    run(scenario, ToyEngine(), patience=0.5)


def test_a_changed_model_is_examined_before_anything_is_sent_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other weights under the same name are kept out, and nothing they made is handed out."""
    monkeypatch.setattr(engine_module, "LOOK", 0)

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        assert_right(await toys.ask("before"), "before")
        engine.weights, engine.digest = "other", "e"
        with pytest.raises(BridgeError):
            await toys.ask("after")
        assert "after" not in engine.texts
        await until(lambda: toys.fleet.engines[0].state.phase == "refused")
        assert "stored vectors" in toys.fleet.engines[0].state.reason

    run(scenario, ToyEngine(), patience=1.0)


def test_what_was_made_since_the_last_look_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is replaced between two looks: its vectors may have been handed out, but nobody gets them again."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        monkeypatch.setattr(engine_module, "LOOK", 0)
        assert_right(await toys.ask("before"), "before")
        await toys.ask("look")
        monkeypatch.setattr(engine_module, "LOOK", 3600)
        engine.weights, engine.digest = "other", "e"
        await toys.ask("between")
        monkeypatch.setattr(engine_module, "LOOK", 0)
        with pytest.raises(BridgeError):
            await toys.ask("after")
        engine.weights = ""
        await until(lambda: toys.fleet.is_ready)
        assert_right(await toys.ask("between"), "between")
        assert_right(again := await toys.ask("before"), "before")
        assert again.found.hit == 1

    monkeypatch.setattr(engine_module, "FIRST_RETRY", 0.01)
    run(scenario, ToyEngine(), memory=1 << 20)


def test_a_new_digest_with_the_same_vectors_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was made again from the same file is no other model."""
    monkeypatch.setattr(engine_module, "LOOK", 0)

    async def scenario(toys: Toys) -> None:
        before = toys.fleet.fingerprint.id
        toys.engines[0].digest = "e"
        assert_right(await toys.ask("text"), "text")
        assert toys.fleet.fingerprint.id == before

    run(scenario, ToyEngine())


def test_an_engine_with_other_weights_does_not_join() -> None:
    """However well it does alone: a pool's vectors are one model's."""

    async def scenario(toys: Toys) -> None:
        states = {engine.name: engine.state for engine in toys.fleet.engines}
        assert [states["first"].phase, states["other"].phase] == ["ready", "refused"]
        assert "stored vectors" in states["other"].reason
        assert_right(await toys.ask(*batch(10)), *batch(10))
        assert toys.engines[1].calls == []

    run(scenario, ToyEngine(name="first"), ToyEngine(name="other", weights="other"))


def test_the_next_start_knows_the_model_again(tmp_path: Path) -> None:
    """What passed is kept with its fingerprint; other weights are refused until the cache is cleared."""

    async def well(toys: Toys) -> None:
        assert toys.fleet.is_ready

    async def refused(toys: Toys) -> None:
        assert not toys.fleet.is_ready
        assert "cache clear" in toys.fleet.engines[0].state.reason

    run(well, ToyEngine(), store=GoldenStore(tmp_path))
    run(well, ToyEngine(), store=GoldenStore(tmp_path))
    run(refused, ToyEngine(weights="other"), store=GoldenStore(tmp_path))


def test_an_engine_is_taken_out_when_its_work_is_done() -> None:
    """It gets nothing new, finishes what it has, and is closed."""

    async def scenario(toys: Toys) -> None:
        leaving, staying = toys.engines
        leaving.gate = staying.gate = asyncio.Event()
        asked = asyncio.create_task(toys.ask(*batch(8)))
        await until(lambda: leaving.calls and staying.calls)
        given = len(leaving.texts)
        toys.pool.remove(toys.fleet.engines[0])
        assert not leaving.closed
        leaving.gate.set()
        assert_right(await asked, *batch(8))
        await until(lambda: leaving.closed)
        assert len(leaving.texts) == given

    run(scenario, ToyEngine(name="leaving"), ToyEngine(name="staying"))


@pytest.mark.parametrize("error", [EngineDown("gone"), EngineDied("killed")])
def test_random_failures_lose_nothing(error: BridgeError) -> None:
    """Every request ends with its own vectors, whichever engine fails under it."""

    async def scenario(toys: Toys) -> None:
        for engine in toys.engines[:2]:
            engine.script = [error]
        texts = [[f"{n} {m}" for m in range(5)] for n in range(40)]
        answers = await asyncio.gather(*(toys.ask(*request) for request in texts))
        for answer, request in zip(answers, texts, strict=True):
            assert_right(answer, *request)

    run(scenario, *(ToyEngine(name=f"toy {n}") for n in range(3)), limits=EngineLimits(attempts=1))


def test_an_engine_that_interrupts_documents_gets_a_question_at_once() -> None:
    """Beside the documents that it has; a second question goes with the next call, and no document takes that place."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        documents = [asyncio.create_task(toys.ask("d" * 1_100 + str(n))) for n in range(4)]
        await until(lambda: len(engine.calls) == 2)
        first = asyncio.create_task(toys.ask("one", lane="interactive"))
        await until(lambda: len(engine.calls) == 3)
        others = [asyncio.create_task(toys.ask(text, lane="interactive")) for text in ("two", "three")]
        await asyncio.sleep(0.01)
        assert [len(call) for call in engine.calls] == [1, 1, 1]
        assert [urgent for urgent, _ in engine.known] == [False, False, True]
        engine.gate.set()
        for asked, text in zip((first, *others), ("one", "two", "three"), strict=True):
            assert_right(await asked, text)
        await asyncio.gather(*documents)
        assert ["two", "three"] in engine.calls
        assert engine.most_in_flight == 3

    run(scenario, ToyEngine(kind="embedded", preempts=True))


def test_questions_without_end_leave_documents_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """While they have had less than that of the engine's time, the next question waits for them."""
    monkeypatch.setattr(pace, "NEGLECT_AFTER", 0.05)

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        document = asyncio.create_task(toys.ask("document"))
        await until(lambda: engine.calls)
        first = asyncio.create_task(toys.ask("one", lane="interactive"))
        await asyncio.sleep(0.1)  # the document has had next to nothing of the engine since
        assert toys.fleet.main.neglects_documents(0.5)
        assert not toys.fleet.main.neglects_documents(0.0)
        engine.gate.set()
        assert_right(await first, "one")
        assert_right(await document, "document")
        assert not toys.fleet.main.neglects_documents(0.5)

    run(scenario, ToyEngine(kind="embedded", preempts=True))


def test_a_text_that_nobody_waits_for_is_cancelled_where_the_engine_can() -> None:
    """The rest of its call is answered; somebody who asks for it again gets it computed again."""

    async def scenario(toys: Toys) -> None:
        engine = toys.engines[0]
        engine.gate = asyncio.Event()
        going, staying = asyncio.create_task(toys.ask("leave")), asyncio.create_task(toys.ask("stay"))
        await until(lambda: engine.calls)
        going.cancel()
        await asyncio.sleep(0.01)
        again = asyncio.create_task(toys.ask("leave"))
        await asyncio.sleep(0.01)
        engine.gate.set()
        assert_right(await staying, "stay")
        assert_right(await again, "leave")
        assert engine.cancelled == ["leave"]
        assert engine.texts.count("leave") == 2

    run(scenario, ToyEngine(kind="embedded", preempts=True))
    with pytest.raises(AssertionError):
        run(scenario, ToyEngine())


def test_an_engine_is_told_what_texts_begin_with() -> None:
    """Of each text of a call; nothing where no prompt is known."""

    async def scenario(toys: Toys) -> None:
        texts = ["Query: one", "two"]
        keys = [toys.fleet.fingerprint.key(text) for text in texts]
        wanted = WantedRows(texts, keys, "bulk", Caller(("a", ""), "bulk", None), None, prompts=[7, 0])
        await toys.supply.rows(wanted, None)
        assert sorted(prompt for _, prompts in toys.engines[0].known for prompt in prompts) == ["", "Query: "]

    run(scenario, ToyEngine())
