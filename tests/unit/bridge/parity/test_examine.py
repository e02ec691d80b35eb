"""The gate: whatever makes an engine's vectors differ from the authors' is found, by the check that is for it."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pytest

from embedstack.bridge.backends.base import Backend, Call, Embedded, EngineDown, EngineFacts
from embedstack.bridge.parity.examine import ParityFinding, examine, recheck
from embedstack.bridge.request import KeepAlive
from embedstack.models.catalog import Context, HeaderFacts, Model, ModelFile, Reference, Scores
from embedstack.vectors.mrl import Vectors, cut
from tests.unit.bridge.toy_backend import ToyBackend

DIMENSIONS, CUT = 64, 32
QUERIES, DOCUMENTS = ("what is leave", "what is pay"), ("fifteen days of leave", "pay on the last day")
TEXTS = (*QUERIES, *DOCUMENTS, "hello")
TOKENS = tuple(len(text.split()) + 1 for text in TEXTS)  # EOS once
CHECKS = (
    *("quantisation", "dimensions", "unit norm", "token counts", "single = batch", "distinct texts", "base64 = float"),
    *(f"reference scores at {DIMENSIONS}", f"reference scores at {CUT}", "margin of the right document"),
)


def vector(text: str) -> Vectors:
    """A unit vector of words, so that a query lies near its document."""
    bag = np.zeros(DIMENSIONS)
    for word in text.split():
        bag += np.random.default_rng(list(hashlib.sha256(word.encode()).digest())).standard_normal(DIMENSIONS)
    return (bag / np.linalg.norm(bag)).astype(np.float32)


def vectors(texts: Sequence[str]) -> Vectors:
    return np.stack([vector(text) for text in texts])


def scores(dimensions: int) -> Scores:
    unit = cut(vectors(TEXTS), dimensions)
    matrix = tuple(tuple(float(value) for value in row) for row in unit[:2] @ unit[2:4].T)
    return Scores(precision="f16", dimensions=dimensions, matrix=matrix, source="this file")


MODEL = Model(
    id="tiny",
    hub_id=None,
    parameters=1,
    dimensions=DIMENSIONS,
    context=Context(trained=512, recommended=512),
    kv_bytes_per_token=1,
    tasks={},
    header=HeaderFacts(required={}),
    default_quantisation="f16",
    files=(ModelFile(quantisation="f16", repository=None, revision=None, file="x", bytes=1, sha256="0" * 64),),
    reference=Reference(
        texts=TEXTS,
        tokens=TOKENS,
        queries=(0, 1),
        documents=(2, 3),
        scores=(scores(DIMENSIONS), scores(CUT)),
        tolerances={"f16": 0.005},
        margin=0.1,
    ),
)
FACTS = EngineFacts(kind="toy", version="1", model="tiny", context=512, quantisation="F16")
Twist = Callable[[Vectors, bool, bool], Vectors]


@dataclass
class ToyEngine(ToyBackend):
    """Right, but for `twist(vectors, is_batch, as_float)` and `tokens` too many or too few for each text."""

    twist: Twist = lambda right, _batch, _float: right
    tokens: int = 0
    offers_base64: bool = True
    name: str = "toy"

    async def embed(
        self,
        texts: Sequence[str],
        *,
        keep_alive: KeepAlive = None,  # noqa: ARG002 -- Backend's
        as_float: bool = False,
        call: Call | None = None,  # noqa: ARG002 -- Backend's
    ) -> Embedded:
        tokens = sum(len(text.split()) + 1 + self.tokens for text in texts)
        return Embedded(self.twist(vectors(texts), len(texts) > 1, as_float), tokens)


def findings(engine: Backend, facts: EngineFacts = FACTS, model: Model = MODEL) -> tuple[ParityFinding, ...]:
    return asyncio.run(examine(engine, facts, model, "f16")).findings


def failed(engine: Backend, facts: EngineFacts = FACTS, model: Model = MODEL) -> set[str]:
    return {found.check for found in findings(engine, facts, model) if not found.ok}


def test_a_right_engine_passes_every_check() -> None:
    """And each says what it measured, for /readyz."""
    found = findings(ToyEngine())

    assert tuple(one.check for one in found) == CHECKS
    assert all(one.ok and one.detail for one in found), found


def test_an_engine_without_base64_is_not_asked_for_it() -> None:
    """Ollama has floats only."""
    found = findings(ToyEngine(offers_base64=False))

    assert [one.check for one in found] == [check for check in CHECKS if check != "base64 = float"]


def rotated(right: Vectors) -> Vectors:
    """Another model's vectors: as long, as far from each other, but elsewhere for each text."""
    return np.roll(right, 1, axis=0) if len(right) > 1 else right[:, ::-1].copy()


TWISTS: dict[str, tuple[Twist, set[str]]] = {
    "not normalised": (lambda v, _b, _f: v * np.float32(1.01), {"unit norm"}),
    "batch in another order": (lambda v, b, _f: v[::-1] if b else v, {"single = batch"}),
    "batch answers its first text": (lambda v, b, _f: np.repeat(v[:1], len(v), axis=0) if b else v, {"single = batch"}),
    "float is another run": (lambda v, _b, f: np.roll(v, 1, axis=1) if f else v, {"base64 = float"}),
    "one vector for all": (
        lambda v, _b, _f: np.repeat(vectors(["same"]), len(v), axis=0),
        {"distinct texts", *CHECKS[-3:]},
    ),
    "energy in the first half alone": (
        lambda v, _b, _f: cut(np.concatenate([v[:, :CUT], 0 * v[:, CUT:]], axis=1), DIMENSIONS),
        {f"reference scores at {DIMENSIONS}"},
    ),
    "another model": (lambda v, _b, _f: v + np.float32(0.2), {"unit norm", *CHECKS[-3:-1]}),
}


@pytest.mark.parametrize("fault", TWISTS)
def test_each_fault_fails_the_check_that_is_for_it(fault: str) -> None:
    """Wrong lengths, orders, encodings, models."""
    twist, expected = TWISTS[fault]

    assert expected <= failed(ToyEngine(twist))


@pytest.mark.parametrize("tokens", [-1, 1])
def test_a_missing_or_a_second_eos_is_counted(tokens: int) -> None:
    """The count of each text is in the message, beside what it should be."""
    (found,) = (one for one in findings(ToyEngine(tokens=tokens)) if not one.ok)

    assert found.check == "token counts"
    assert f"text 0: {TOKENS[0] + tokens}, not {TOKENS[0]}" in found.detail
    assert f"batch: {sum(TOKENS) + tokens * len(TEXTS)}, not {sum(TOKENS)}" in found.detail


@pytest.mark.parametrize(
    ("quantisation", "ok"), [("F16", True), ("f16", True), (None, True), ("Q4_K_M", False), ("Q8_0", False)]
)
def test_another_quantisation_than_configured_is_found(quantisation: str | None, ok: bool) -> None:
    """Precisions never mix; an engine that does not say is judged by its vectors."""
    assert failed(ToyEngine(), replace(FACTS, quantisation=quantisation)) == (set() if ok else {"quantisation"})


@pytest.mark.parametrize(
    ("twist", "said"),
    [
        (lambda v, _b, _f: v[:, :-1], "vectors of 63 numbers; the model has 64"),
        (lambda v, _b, _f: np.concatenate([v, v], axis=1), "vectors of 128 numbers"),
        (lambda v, _b, _f: v * np.float32("nan"), "not finite"),
        (lambda v, _b, _f: v * 0, "zero"),
        (lambda v, b, _f: v[:-1] if b else v, "4 vectors for 5 texts"),
    ],
)
def test_an_answer_that_is_no_vectors_is_a_finding_too(twist: Twist, said: str) -> None:
    """/readyz tells it like any other failed check."""
    last = findings(ToyEngine(twist))[-1]

    assert (last.check, last.ok) == ("answer", False)
    assert said in last.detail


def test_scores_are_allowed_what_their_precision_costs() -> None:
    """Just within the tolerance passes, just outside fails."""
    assert MODEL.reference is not None
    for off, expected in ((0.004, set()), (0.006, {f"reference scores at {DIMENSIONS}"})):
        moved = msgspec.structs.replace(
            scores(DIMENSIONS), matrix=tuple(tuple(v + off for v in row) for row in scores(DIMENSIONS).matrix)
        )
        model = msgspec.structs.replace(
            MODEL, reference=msgspec.structs.replace(MODEL.reference, scores=(moved, scores(CUT)))
        )

        assert failed(ToyEngine(), model=model) == expected


def test_a_margin_that_is_too_small_fails() -> None:
    """The right document must stand out, where no scores at this precision were published."""
    assert MODEL.reference is not None
    model = msgspec.structs.replace(MODEL, reference=msgspec.structs.replace(MODEL.reference, margin=0.99))

    assert failed(ToyEngine(), model=model) == {"margin of the right document"}


def test_a_model_without_golden_texts_never_passes() -> None:
    """What cannot be shown to be right is not served."""
    assert "reference" in failed(ToyEngine(), model=msgspec.structs.replace(MODEL, reference=None))


def test_an_engine_that_is_away_is_no_finding() -> None:
    """It is tried again, and not called wrong."""

    def away(*_: object) -> Vectors:
        raise EngineDown("nobody answers")

    with pytest.raises(EngineDown):
        findings(ToyEngine(away))


class MixedUp(ToyEngine):
    """Parallel slots that answer each other's texts, and are right as long as nothing else is in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.in_flight = 0

    async def embed(
        self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False, call: Call | None = None
    ) -> Embedded:
        self.in_flight += 1
        await asyncio.sleep(0)
        answer = await super().embed(texts, keep_alive=keep_alive, as_float=as_float, call=call)
        mixed = self.in_flight > 1
        self.in_flight -= 1
        return Embedded(np.roll(answer.vectors, 1, axis=0), answer.tokens) if mixed else answer


def test_an_engine_is_examined_with_as_many_calls_at_once_as_it_will_get() -> None:
    """What only goes wrong beside others is found where others will be beside it, and not asked for where not."""
    found = asyncio.run(examine(MixedUp(), FACTS, MODEL, "f16", 4)).findings
    assert {finding.check for finding in found if not finding.ok} == {"calls at once"}
    assert all(finding.ok for finding in asyncio.run(examine(ToyEngine(), FACTS, MODEL, "f16", 4)).findings)
    assert "calls at once" not in {finding.check for finding in findings(MixedUp())}


class OnceOthers(MixedUp):
    """Answers wrongly only while texts that are not golden are in flight."""

    async def embed(
        self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False, call: Call | None = None
    ) -> Embedded:
        assert MODEL.reference is not None
        foreign = not set(texts) <= set(MODEL.reference.texts)
        self.in_flight += foreign
        await asyncio.sleep(0)
        answer = await ToyEngine.embed(self, texts, keep_alive=keep_alive, as_float=as_float, call=call)
        mixed = self.in_flight > 0
        self.in_flight -= foreign
        return Embedded(np.roll(answer.vectors, 1, axis=0), answer.tokens) if mixed else answer


def test_other_texts_are_in_flight_beside_the_golden_ones() -> None:
    """An engine that mixes up what is different, and not what is the same, is found too."""
    found = asyncio.run(examine(OnceOthers(), FACTS, MODEL, "f16", 2)).findings

    assert {finding.check for finding in found if not finding.ok} == {"calls at once"}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_rubbish_in_any_round_is_a_finding(concurrency: int) -> None:
    """An engine that answers well once by one, and rubbish as floats or beside others, does not raise but fails."""

    def twist(right: Vectors, _batch: bool, as_float: bool) -> Vectors:
        return right[:, :-1] if as_float else right

    found = asyncio.run(examine(ToyEngine(twist), FACTS, MODEL, "f16", concurrency)).findings

    assert [finding.check for finding in found if not finding.ok] == ["answer"]


# --- what an earlier run, or another engine, has answered -----------------------------------------------------------


def turned(by: float) -> Vectors:
    """The golden vectors of other weights: each at cosine `by` to the right one."""
    assert MODEL.reference is not None
    right = vectors(MODEL.reference.texts)
    other = np.roll(right, 1, axis=1)
    other -= np.einsum("ij,ij->i", other, right)[:, np.newaxis] * right
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    return (by * right + np.sqrt(1 - by**2) * other).astype(np.float32)


@pytest.mark.parametrize(("by", "ok"), [(1.0, True), (0.9995, True), (0.99, False), (0.0, False)])
def test_an_engine_must_agree_with_the_stored_vectors(by: float, ok: bool) -> None:
    """At cosine 0.999: what rounding and another kind of engine leave, and other weights do not."""
    examined = asyncio.run(examine(ToyEngine(), FACTS, MODEL, "f16", 1, turned(by)))
    verdict = {finding.check: finding for finding in examined.findings}["stored vectors"]

    assert verdict.ok == ok
    assert ("cache clear" in verdict.detail) != ok


def test_stored_vectors_of_another_shape_are_no_crash() -> None:
    """The catalogue's golden texts, or the model's dimension, have changed since."""
    examined = asyncio.run(examine(ToyEngine(), FACTS, MODEL, "f16", 1, turned(1.0)[:2]))

    assert not {finding.check: finding for finding in examined.findings}["stored vectors"].ok


def test_an_engine_that_passes_gives_its_vectors_for_the_next() -> None:
    """They are what the others are held against."""
    assert MODEL.reference is not None
    examined = asyncio.run(examine(ToyEngine(), FACTS, MODEL, "f16"))

    np.testing.assert_array_equal(vectors(MODEL.reference.texts), examined.vectors)


@dataclass
class Counting(ToyEngine):
    calls: int = 0

    async def embed(
        self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False, call: Call | None = None
    ) -> Embedded:
        self.calls += 1
        return await super().embed(texts, keep_alive=keep_alive, as_float=as_float, call=call)


def rechecked(engine: Backend, by: float = 1.0) -> set[str]:
    return {finding.check for finding in asyncio.run(recheck(engine, MODEL, turned(by))) if not finding.ok}


def test_a_recheck_is_one_call() -> None:
    """It happens at each reconnect, with clients waiting."""
    engine = Counting()

    assert rechecked(engine) == set()
    assert engine.calls == 1


@pytest.mark.parametrize(
    ("toy", "check"),
    [
        (ToyEngine(tokens=1), "token counts"),
        (ToyEngine(lambda right, *_: right * 1.01), "unit norm"),
        (ToyEngine(lambda right, *_: right[:, :-1]), "answer"),
        (ToyEngine(lambda right, *_: right[::-1]), "stored vectors"),
    ],
)
def test_a_recheck_finds_what_has_changed(toy: ToyEngine, check: str) -> None:
    """Tokens, norm, dimension and the vectors themselves."""
    assert check in rechecked(toy)


def test_a_recheck_finds_other_weights() -> None:
    """However right they look by themselves."""
    assert rechecked(ToyEngine(), by=0.99) == {"stored vectors"}
