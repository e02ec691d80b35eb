"""Retries that end: hiccups are tried again, broken state is reset once, one text's fault is not another's."""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from embedstack.bridge.backends.base import Call, Embedded, EngineBusy, EngineDied, EngineDown
from embedstack.bridge.backends.checks import BrokenVectors
from embedstack.bridge.engines import retry
from embedstack.bridge.engines.retry import Outcome, Resilient
from embedstack.bridge.errors import BridgeError, ClientGone, EngineAnswerInvalid, EngineRefused, EngineTimeout, TooLong
from embedstack.bridge.request import KeepAlive, Row
from embedstack.vectors.mrl import Vectors
from tests.unit.bridge.toy_backend import ToyBackend

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
        call: Call | None = None,  # noqa: ARG002 -- Backend's
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


def ask(engine: ScriptedEngine, texts: Sequence[str], *, attempts: int = 3) -> list[Outcome]:
    return asyncio.run(Resilient(engine, dimensions=DIMENSIONS, attempts=attempts).embed(texts, None))


def batch(size: int) -> list[str]:
    return [f"text {n}" for n in range(size)]


def assert_right(found: Sequence[Outcome], texts: Sequence[str]) -> None:
    assert len(texts) == len(found)
    for text, row in zip(texts, found, strict=True):
        assert isinstance(row, Row)
        np.testing.assert_allclose(vector(text), row.vector, atol=1e-7)
        assert not row.vector.flags.writeable


def test_rows_are_of_length_one_and_share_the_tokens() -> None:
    """What is cached and cut later needs no look at its length, and the counts add up to the engine's own."""
    found = ask(ScriptedEngine(), ["short", "a much longer text than the other"])

    assert_right(found, ["short", "a much longer text than the other"])
    rows = [row for row in found if isinstance(row, Row)]
    assert sum(row.tokens for row in rows) == 2 * TOKENS
    assert all(abs(np.linalg.norm(row.vector) - 1) < 1e-6 for row in rows)


def test_a_death_is_reported_and_not_tried_again() -> None:
    """Only who sees all engines can tell whose text it was (bridge.engines.pool)."""
    engine = ScriptedEngine(killers=frozenset({"text 1"}))

    with pytest.raises(EngineDied):
        ask(engine, batch(3))
    assert engine.calls == [batch(3)]


# --- one text's fault is not another's ------------------------------------------------------------------------------


@dataclass
class Picky(ScriptedEngine):
    """Refuses a call that holds the text `refused`, as one that is too long for it."""

    refused: str = ""

    async def embed(
        self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False, call: Call | None = None
    ) -> Embedded:
        if self.refused in texts:
            self.calls.append(list(texts))
            raise TooLong("too long for this engine")
        return await super().embed(texts, keep_alive=keep_alive, as_float=as_float, call=call)


def test_a_text_that_is_refused_leaves_the_others_their_vectors() -> None:
    """They may be another client's, gathered into one call."""
    found = ask(Picky(refused="text 1"), batch(3))

    assert isinstance(found[1], TooLong)
    assert_right([found[0], found[2]], ["text 0", "text 2"])


def test_an_engine_that_answers_nothing_right_is_not_asked_for_every_text() -> None:
    """After the batch and one text alone, all have the same verdict."""
    engine = ScriptedEngine(script=[np.ones((1, DIMENSIONS + 1), np.float32)] * 100)

    found = ask(engine, batch(50))

    assert all(isinstance(one, EngineAnswerInvalid) for one in found)
    assert len(found) == 50
    assert len(engine.calls) == 2


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

    try:
        outcomes = ask(engine, ["text"])
    except BridgeError as error:
        outcomes = [error]
    assert outcomes == [final]
    assert engine.calls == [["text"]]


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
    """One reset and one retry of the text alone, then the client is informed."""
    engine = ScriptedEngine(script=[broken(math.nan, 1, 0)] * 2)

    (failed,) = ask(engine, batch(1))
    assert isinstance(failed, BrokenVectors)
    assert "not finite" in failed.message
    assert (failed.status, engine.resets, len(engine.calls)) == (502, 1, 2)


def test_a_text_whose_vector_stays_broken_does_not_take_the_others_along() -> None:
    """In a batch each text gets its own verdict."""
    engine = ScriptedEngine(script=[broken(math.nan, 3, 1)] * 2 + [None, broken(math.nan, 1, 0)])

    found = ask(engine, batch(3))

    assert isinstance(found[1], BrokenVectors)
    assert_right([found[0], found[2]], ["text 0", "text 2"])
    assert engine.resets == 1


@pytest.mark.parametrize("count", [0, 2, 4])
def test_a_wrong_count_is_an_error_and_no_reason_to_reset(count: int) -> None:
    """What was meant for another text is never handed out: each is asked for alone."""
    engine = ScriptedEngine(script=[np.stack([vector(text) for text in batch(9)])[:count]])

    assert_right(ask(engine, batch(3)), batch(3))
    assert engine.resets == 0
    assert engine.calls == [batch(3), ["text 0"], ["text 1"], ["text 2"]]


def test_an_error_that_is_handed_on_holds_no_frames() -> None:
    """They would keep the engine's whole answer alive with it."""
    many = ask(ScriptedEngine(script=[broken(math.nan, 3, 1)] * 2 + [None, broken(math.nan, 1, 0)]), batch(3))
    (one,) = ask(ScriptedEngine(script=[broken(math.nan, 1, 0)] * 2), batch(1))

    for error in (many[1], one):
        assert isinstance(error, BrokenVectors)
        assert error.__traceback__ is None
        assert error.__context__ is None


def test_what_was_cancelled_has_no_row() -> None:
    """The others keep theirs, with the tokens that the engine counted for each."""
    engine = ScriptedEngine()
    rows = np.stack([vector("a"), np.zeros(DIMENSIONS, np.float32), vector("c")])
    made = Embedded(rows, 12, counts=(3, 4, 5), cancelled=frozenset({1}))

    async def embed(*_: object, **__: object) -> Embedded:
        return made

    engine.embed = embed  # type: ignore[method-assign]  # one answer is all that is asked for
    first, second, third = ask(engine, ["a", "b", "c"])
    assert isinstance(second, ClientGone)
    assert isinstance(first, Row)
    assert isinstance(third, Row)
    assert (first.tokens, third.tokens) == (3, 5)
    np.testing.assert_allclose(third.vector, vector("c"), atol=1e-6)
