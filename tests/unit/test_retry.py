"""Retries that end: hiccups are tried again, the text that kills is found and named, broken state is reset once."""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import retry
from bridge.backends.base import Embedded, EngineBusy, EngineDied, EngineDown
from bridge.checks import BrokenVectors
from bridge.errors import BridgeError, EngineAnswerInvalid, EngineRefused, EngineTimeout, TextKillsEngine, TooLong
from bridge.request import KeepAlive, Vectors
from bridge.retry import Quarantine, Resilient
from tests.unit.toy_backend import ToyBackend

DIMENSIONS = 8
TOKENS = 3  # of every text


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY", 0)


def vector(text: str) -> Vectors:
    """A unit vector that is the text's own."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    drawn = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


@dataclass
class ScriptedEngine(ToyBackend):
    """Embeds every text, but dies of `killers` and of whatever `script` says for its next calls, None being "well"."""

    killers: frozenset[str] = frozenset()
    script: list[BridgeError | Vectors | None] = field(default_factory=list)
    reset_fails: bool = False
    calls: list[list[str]] = field(default_factory=list)
    resets: int = 0

    async def embed(
        self,
        texts: Sequence[str],
        *,
        keep_alive: KeepAlive = None,  # noqa: ARG002 -- Backend's
        as_float: bool = False,  # noqa: ARG002 -- Backend's
    ) -> Embedded:
        self.calls.append(list(texts))
        said = self.script.pop(0) if self.script else None
        if isinstance(said, BridgeError):
            raise said
        if said is not None:
            return Embedded(said, TOKENS * len(texts))
        if self.killers.intersection(texts):
            raise EngineDied("the runner ended")
        return Embedded(np.stack([vector(text) for text in texts]), TOKENS * len(texts))

    async def reset(self) -> None:
        self.resets += 1
        if self.reset_fails:
            raise EngineDown("it does not come back")


def ask(
    engine: ScriptedEngine,
    texts: Sequence[str],
    *,
    attempts: int = 3,
    offset: int = 0,
    quarantine: Quarantine | None = None,
) -> Embedded:
    resilient = Resilient(engine, dimensions=DIMENSIONS, attempts=attempts, quarantine=quarantine or Quarantine(600))
    return asyncio.run(resilient.embed(texts, None, offset))


def batch(size: int) -> list[str]:
    return [f"text {n}" for n in range(size)]


def assert_right(found: Embedded, texts: Sequence[str]) -> None:
    np.testing.assert_array_equal(np.stack([vector(text) for text in texts]), found.vectors)
    assert TOKENS * len(texts) == found.tokens


# --- a text that kills the engine ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 65))
def test_the_one_guilty_text_is_found(size: int) -> None:
    """Wherever it stands in a batch of 1 to 64, by name, and with few calls: two a halving, then itself and a probe."""
    for guilty in range(size):
        engine = ScriptedEngine(killers=frozenset({f"text {guilty}"}))
        with pytest.raises(TextKillsEngine) as refused:
            ask(engine, batch(size), offset=100)

        assert refused.value.status == 502
        assert refused.value.message.startswith(f"input {100 + guilty} ended the engine twice")
        assert f"without input {100 + guilty}" in refused.value.advice
        assert len(engine.calls) <= 2 * math.ceil(math.log2(size)) + 3
        assert engine.calls.count([f"text {guilty}"]) == 2
        assert engine.calls[-1] == [retry.PROBE]


@settings(max_examples=40)
@given(st.sets(st.integers(0, 63), min_size=1), st.integers(1, 64))
def test_of_several_guilty_texts_the_first_is_named(guilty: set[int], size: int) -> None:
    """Each answer takes one of them out; whoever sends the rest again comes to an end."""
    texts = batch(size)
    quarantine = Quarantine(600)
    engine = ScriptedEngine(killers=frozenset(f"text {n}" for n in guilty))
    for n in sorted(n for n in guilty if n < size):
        with pytest.raises(TextKillsEngine, match=f"input {texts.index(f'text {n}')} "):
            ask(engine, texts, quarantine=quarantine)
        texts.remove(f"text {n}")

    if texts:
        assert_right(ask(engine, texts, quarantine=quarantine), texts)


def test_a_text_that_killed_is_not_sent_again() -> None:
    """Neither alone nor among others, and its index is that of the new request."""
    engine, quarantine = ScriptedEngine(killers=frozenset({"bad"})), Quarantine(600)
    with pytest.raises(TextKillsEngine, match="input 0 ended the engine twice"):
        ask(engine, ["bad"], quarantine=quarantine)
    engine.calls.clear()

    for texts, index in ((["bad"], 5), (["good", "bad", "fine"], 6)):
        with pytest.raises(TextKillsEngine, match=f"input {index} has ended the engine before"):
            ask(engine, texts, offset=5, quarantine=quarantine)
    assert engine.calls == []
    assert_right(ask(engine, ["good", "fine"], quarantine=quarantine), ["good", "fine"])


def test_a_text_is_not_blamed_for_an_engine_that_is_gone() -> None:
    """Only when a harmless text survives is it the text's fault; else it is the engine's, and nothing is held back."""
    engine = ScriptedEngine(killers=frozenset({"innocent", retry.PROBE}))
    quarantine = Quarantine(600)

    with pytest.raises(EngineDied):
        ask(engine, ["innocent"], quarantine=quarantine)
    assert not quarantine.holds("innocent")


@pytest.mark.parametrize("deaths", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_an_engine_that_dies_and_comes_back_costs_nothing_but_time(size: int, deaths: int) -> None:
    """kill -9 in the middle: the batch is sent again in parts and put together in order."""
    deaths = min(deaths, 1 if size == 1 else size.bit_length())
    engine = ScriptedEngine(script=[EngineDied("killed")] * deaths)

    assert_right(ask(engine, batch(size)), batch(size))


# --- quarantine -------------------------------------------------------------------------------------------------


def test_quarantine_ends() -> None:
    """After its seconds a text may be tried again, and not before."""
    now = 1000.0
    quarantine = Quarantine(600, clock=lambda: now)
    quarantine.add("bad")
    now = 1599.9
    assert quarantine.holds("bad")
    assert not quarantine.holds("good")

    now = 1600.0
    assert not quarantine.holds("bad")


def test_quarantine_of_no_seconds_holds_nothing() -> None:
    """A setting of 0 switches it off."""
    quarantine = Quarantine(0)
    quarantine.add("bad")

    assert not quarantine.holds("bad")


def test_quarantine_is_bounded() -> None:
    """Someone who sends killers all day fills no memory; the oldest leave first."""
    quarantine = Quarantine(600, most=10)
    for n in range(25):
        quarantine.add(f"bad {n}")

    assert [n for n in range(25) if quarantine.holds(f"bad {n}")] == list(range(15, 25))


# --- hiccups ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hiccup", [EngineBusy("loading"), EngineDown("refused")])
@pytest.mark.parametrize("attempts", [1, 2, 3, 5])
def test_a_hiccup_is_tried_again_so_many_times(hiccup: BridgeError, attempts: int) -> None:
    """One less than `attempts` is survived; as many end with the engine's own error and a time to come back."""
    assert_right(ask(ScriptedEngine(script=[hiccup] * (attempts - 1)), batch(3), attempts=attempts), batch(3))

    engine = ScriptedEngine(script=[hiccup] * attempts)
    with pytest.raises(type(hiccup)) as failed:
        ask(engine, batch(3), attempts=attempts)
    assert engine.calls == [batch(3)] * attempts
    assert failed.value.retry_after
    assert failed.value.status == 503


def test_the_waits_between_attempts_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is loading is not hammered."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(retry, "FIRST_DELAY", 0.2)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    ask(ScriptedEngine(script=[EngineBusy("loading")] * 4), ["text"], attempts=5)

    assert waits == [0.2, 0.4, 0.8, 1.6]


@pytest.mark.parametrize(
    "final", [EngineTimeout("slow"), EngineRefused("no"), TooLong("long"), EngineAnswerInvalid("?")]
)
def test_what_another_try_would_not_mend_is_not_tried_again(final: BridgeError) -> None:
    """A timeout has cost enough already, and a refusal stays one."""
    engine = ScriptedEngine(script=[final])

    with pytest.raises(type(final)):
        ask(engine, batch(3))
    assert engine.calls == [batch(3)]


# --- broken vectors -------------------------------------------------------------------------------------------------


def broken(kind: float, size: int, at: int) -> Vectors:
    vectors = np.stack([vector(text) for text in batch(size)])
    vectors[at] = kind
    return vectors


@pytest.mark.parametrize("kind", [math.nan, math.inf, 0.0, 0.1])
@pytest.mark.parametrize("reset_fails", [False, True])
def test_broken_vectors_reset_the_engine_once(kind: float, reset_fails: bool) -> None:
    """NaN, infinity, zeros, a length that is not 1: one reset, one more try, and the good answer counts."""
    engine = ScriptedEngine(script=[broken(kind, 3, 1)], reset_fails=reset_fails)

    assert_right(ask(engine, batch(3)), batch(3))
    assert (engine.resets, engine.calls) == (1, [batch(3)] * 2)


def test_vectors_that_stay_broken_are_an_error() -> None:
    """One reset and one retry, then the client is told which text it was."""
    engine = ScriptedEngine(script=[broken(math.nan, 3, 2)] * 2)

    with pytest.raises(BrokenVectors, match="text 42 is not finite") as failed:
        ask(engine, batch(3), offset=40)
    assert failed.value.status == 502
    assert (engine.resets, len(engine.calls)) == (1, 2)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_a_wrong_count_is_an_error_and_no_reason_to_reset(count: int) -> None:
    """What was meant for another text must never be handed out."""
    engine = ScriptedEngine(script=[np.stack([vector(text) for text in batch(9)])[:count]])

    with pytest.raises(EngineAnswerInvalid, match=f"{count} vectors for 3 texts"):
        ask(engine, batch(3))
    assert engine.resets == 0
