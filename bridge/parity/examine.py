"""The gate's checks: an engine serves only if its vectors of golden texts are those that the model's authors expect.

They detect a wrong model, wrong dimensions or quantisation, missing, doubled or wrong EOS tokens, wrong pooling, broken
normalisation, answers that depend on the batch, and base64 that differs from float.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedstack.bridge.backends.base import Backend, Embedded, EngineFacts
from embedstack.bridge.backends.checks import check
from embedstack.bridge.errors import EngineAnswerInvalid, EngineError
from embedstack.models.model import Model, Reference, Scores
from embedstack.vectors import checks
from embedstack.vectors.mrl import Vectors


@dataclass(frozen=True, slots=True)
class ParityFinding:
    """One check, whether it passed, and what was measured."""

    check: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Examined:
    """All findings about an engine, and its vectors of the golden texts if it made any."""

    findings: tuple[ParityFinding, ...]
    vectors: Vectors | None = None


async def examine(
    backend: Backend,
    facts: EngineFacts,
    model: Model,
    precision: str,
    concurrency: int = 1,
    stored: Vectors | None = None,
) -> Examined:
    """Examine an engine that will get `concurrency` calls at once. `stored`: golden vectors that it must agree with,
    made by an earlier run or another engine of the pool. EngineError if it does not answer.

    With n golden texts this takes n + 1 calls, one more if the engine offers base64, one more if the model has trap
    texts, and 2 * concurrency more if several calls will be in flight.
    """
    findings = [_quantisation(facts, precision)]
    reference = model.reference
    if reference is None:
        return Examined((*findings, _no_reference(model)))
    try:
        single = [await backend.embed([text]) for text in reference.texts]
        batch = await backend.embed(reference.texts)
        vectors = _checked(single, model.dimensions)
        together = _one(batch, len(vectors), model.dimensions)
        floats = await backend.embed(reference.texts, as_float=True) if backend.offers_base64 else batch
        as_floats = _one(floats, len(vectors), model.dimensions)
        beside = await _beside_others(backend, reference.texts, vectors, concurrency) if concurrency > 1 else None
    except EngineError as error:
        return Examined((*findings, _wrong_answer(error)))
    findings += [
        ParityFinding("dimensions", ok=True, detail=str(model.dimensions)),
        _norms(vectors),
        _tokens(reference.tokens, [answer.tokens for answer in single], batch.tokens),
        _agreement("single = batch", vectors, together),
        _distinct(vectors),
    ]
    if backend.offers_base64:
        findings.append(_identical(together, as_floats))
    findings += [_scores(vectors, reference, s) for s in reference.scores_for(precision)]
    if beside is not None:
        findings.append(beside)
    if reference.margin is not None and reference.compares:
        findings.append(_margin(vectors, reference, reference.margin))
    if reference.traps:
        findings.append(await _traps(backend, model))
    examined = Examined(tuple(findings), vectors)
    return examined if stored is None else held_against(examined, stored)


async def recheck(backend: Backend, model: Model, golden: Vectors) -> tuple[ParityFinding, ...]:
    """Check with one call, after a reconnect, whether the vectors are still the same. EngineError if the engine does
    not answer.
    """
    reference = model.reference
    if reference is None:
        return (_no_reference(model),)
    try:
        answer = await backend.embed(reference.texts)
        vectors = _one(answer, len(golden), model.dimensions)
    except EngineError as error:
        return (_wrong_answer(error),)
    return (_norms(vectors), _tokens(reference.tokens, reference.tokens, answer.tokens), _as_before(vectors, golden))


def held_against(examined: Examined, stored: Vectors) -> Examined:
    """The findings, plus whether the vectors match those of an earlier run or another engine of the pool. Pure."""
    if examined.vectors is None:
        return examined
    return Examined((*examined.findings, _as_before(examined.vectors, stored)), examined.vectors)


def _no_reference(model: Model) -> ParityFinding:
    return ParityFinding("reference", ok=False, detail=f"the catalogue has no golden texts for {model.id}")


def _wrong_answer(error: EngineError) -> ParityFinding:
    """The finding for an invalid answer; any other error is raised again."""
    if not isinstance(error, EngineAnswerInvalid):
        raise error
    return ParityFinding("answer", ok=False, detail=error.message)


async def _beside_others(backend: Backend, texts: Sequence[str], vectors: Vectors, concurrency: int) -> ParityFinding:
    """Send the same texts in as many simultaneous calls as the engine will get, with other texts beside them: parallel
    slots have mixed up their answers (llama.cpp #26282)."""
    starts = [turn % len(texts) for turn in range(concurrency)]
    calls = [backend.embed([*texts[start:], *texts[:start]]) for start in starts]
    others = [backend.embed([f"{text} {turn}" for text in texts]) for turn in range(concurrency)]
    answers = (await asyncio.gather(*(call for pair in zip(calls, others, strict=True) for call in pair)))[::2]
    rows = [np.roll(answer.vectors, start, axis=0) for answer, start in zip(answers, starts, strict=True)]
    if any(row.shape != vectors.shape for row in rows):
        return ParityFinding("calls at once", ok=False, detail="answers of another shape")
    return _agreement("calls at once", np.concatenate([vectors] * concurrency), np.concatenate(rows))


async def _traps(backend: Backend, model: Model) -> ParityFinding:
    """Whether the engine's numbers are wide enough for this model. This check comes last: after a NaN, an engine may
    compute everything wrong.
    """
    traps = model.reference.traps if model.reference else ()
    advice = f"; take {model.sound}" if model.unsound else ""
    try:
        answer = await backend.embed(traps)
        check(answer.vectors, count=len(traps), dimensions=model.dimensions, unit=True)
    except EngineAnswerInvalid as error:
        return ParityFinding("trap texts", ok=False, detail=f"{error.message} Numbers overflow{advice}")
    return ParityFinding("trap texts", ok=True, detail=f"{len(traps)}, all finite")


def _one(answer: Embedded, count: int, dimensions: int) -> Vectors:
    return check(answer.vectors, count=count, dimensions=dimensions)


def _as_before(vectors: Vectors, stored: Vectors) -> ParityFinding:
    """Detects other weights under the same name, even if their scores are plausible."""
    if stored.shape != vectors.shape:
        return ParityFinding("stored vectors", ok=False, detail=f"shape {vectors.shape}, stored {stored.shape}")
    finding = _agreement("stored vectors", vectors, stored)
    if finding.ok:
        return finding
    hint = "the weights have changed under one name; if that is meant, run `embedstack cache clear`"
    return ParityFinding(finding.check, ok=False, detail=f"{finding.detail}: {hint}")


def _checked(answers: Sequence[Embedded], dimensions: int) -> Vectors:
    return np.concatenate([check(answer.vectors, count=1, dimensions=dimensions) for answer in answers])


def _quantisation(facts: EngineFacts, precision: str) -> ParityFinding:
    said = facts.quantisation
    same = said is None or said.casefold() == precision.casefold()
    detail = f"{said or 'not said'}, configured {precision}"
    return ParityFinding("quantisation", same, detail)


def _norms(vectors: Vectors) -> ParityFinding:
    worst = checks.off_unit(vectors)
    return ParityFinding("unit norm", worst <= checks.UNIT, f"off by {worst:.1e} at most")


def _tokens(expected: Sequence[int], single: Sequence[int], batch: int) -> ParityFinding:
    wrong = checks.wrong_counts(expected, single)
    if batch != sum(expected):
        wrong.append(f"batch: {batch}, not {sum(expected)}")
    detail = "; ".join(wrong) or f"{sum(expected)} in all, EOS once a text"
    return ParityFinding("token counts", not wrong, detail)


def _agreement(name: str, one: Vectors, other: Vectors) -> ParityFinding:
    worst = float(checks.cosines(one, other).min())
    return ParityFinding(name, worst >= checks.SAME, f"cosine {worst:.6f} at least")


def _distinct(vectors: Vectors) -> ParityFinding:
    closest = checks.closest_pair(vectors)
    return ParityFinding("distinct texts", closest <= checks.DISTINCT, f"closest pair at cosine {closest:.6f}")


def _identical(base64: Vectors, floats: Vectors) -> ParityFinding:
    """The same vectors in two encodings. An engine may round differently from run to run, so they need only agree by
    cosine.
    """
    if np.array_equal(base64, floats):
        return ParityFinding("base64 = float", ok=True, detail="equal to the bit")
    return _agreement("base64 = float", base64, floats)


def _scores(vectors: Vectors, reference: Reference, scores: Scores) -> ParityFinding:
    table = checks.table(vectors[:, : scores.dimensions], reference.queries, reference.documents)
    worst = checks.off_scores(table, scores.matrix)
    name = f"reference scores at {scores.dimensions}"
    return ParityFinding(name, worst <= (scores.tolerance or 0.0), f"off by {worst:.4f}, allowed {scores.tolerance}")


def _margin(vectors: Vectors, reference: Reference, margin: float) -> ParityFinding:
    smallest = checks.margin(checks.table(vectors, reference.queries, reference.documents))
    return ParityFinding("margin of the right document", smallest >= margin, f"{smallest:.3f}, at least {margin}")
