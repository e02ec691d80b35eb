"""The gate: an engine serves only when golden texts come back as the model's authors would have computed them.

It sees a wrong model, dimension or quantisation, missing, doubled or other EOS tokens, another pooling, broken
normalisation, answers that depend on the batch, and base64 that differs from float.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bridge.backends.base import Backend, Embedded, EngineFacts
from bridge.checks import check
from bridge.errors import EngineError
from bridge.mrl import cut
from bridge.request import Vectors
from modelfiles.catalog import Model, Scores

SAME = 0.999  # cosine of one text embedded twice, at any precision (Ollama's own integration tests ask as much)
DISTINCT = 0.9999  # above this two different texts have been answered with one vector
UNIT = 1e-3  # how far a norm may lie from 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, whether it held, and what was measured."""

    check: str
    ok: bool
    detail: str


async def examine(
    backend: Backend, facts: EngineFacts, model: Model, precision: str, concurrency: int = 1
) -> tuple[Finding, ...]:
    """All findings about an engine that will get `concurrency` calls at once. EngineError where it does not answer."""
    findings = [_quantisation(facts, precision)]
    reference = model.reference
    if reference is None:
        return (*findings, Finding("reference", ok=False, detail=f"the catalogue has no golden texts for {model.id}"))
    try:
        single = [await backend.embed([text]) for text in reference.texts]
        batch = await backend.embed(reference.texts)
        vectors = _checked(single, model.dimensions)
        together = check(batch.vectors, count=len(reference.texts), dimensions=model.dimensions)
    except EngineError as error:
        if error.code in ("engine_answer_invalid", "engine_vectors_broken"):
            return (*findings, Finding("answer", ok=False, detail=error.message))
        raise
    findings += [
        Finding("dimensions", ok=True, detail=str(model.dimensions)),
        _norms(vectors),
        _tokens(reference.tokens, [answer.tokens for answer in single], batch.tokens),
        _agreement("single = batch", vectors, together),
        _distinct(vectors),
    ]
    if backend.offers_base64:
        floats = await backend.embed(reference.texts, as_float=True)
        findings.append(_identical(together, check(floats.vectors, count=len(together), dimensions=model.dimensions)))
    findings += [_scores(vectors, reference.queries, reference.documents, s) for s in reference.scores_for(precision)]
    if concurrency > 1:
        findings.append(await _beside_others(backend, reference.texts, vectors, concurrency))
    if reference.margin is not None:
        findings.append(_margin(vectors, reference.queries, reference.documents, reference.margin))
    return tuple(findings)


async def _beside_others(backend: Backend, texts: Sequence[str], vectors: Vectors, concurrency: int) -> Finding:
    """The same texts in as many calls at once as the engine will get: parallel slots have mixed up their answers
    (llama.cpp #26282)."""
    starts = [turn % len(texts) for turn in range(concurrency)]
    answers = await asyncio.gather(*(backend.embed([*texts[start:], *texts[:start]]) for start in starts))
    rows = [np.roll(answer.vectors, start, axis=0) for answer, start in zip(answers, starts, strict=True)]
    if any(row.shape != vectors.shape for row in rows):
        return Finding("calls at once", ok=False, detail="answers of another shape")
    return _agreement("calls at once", np.concatenate([vectors] * concurrency), np.concatenate(rows))


def _checked(answers: Sequence[Embedded], dimensions: int) -> Vectors:
    return np.concatenate([check(answer.vectors, count=1, dimensions=dimensions) for answer in answers])


def _quantisation(facts: EngineFacts, precision: str) -> Finding:
    said = facts.quantisation
    same = said is None or said.casefold() == precision.casefold()
    detail = f"{said or 'not said'}, configured {precision}"
    return Finding("quantisation", same, detail)


def _norms(vectors: Vectors) -> Finding:
    worst = float(np.abs(np.linalg.norm(vectors, axis=1) - 1).max())
    return Finding("unit norm", worst <= UNIT, f"off by {worst:.1e} at most")


def _tokens(expected: Sequence[int], single: Sequence[int], batch: int) -> Finding:
    wrong = [
        f"text {i}: {got}, not {want}"
        for i, (want, got) in enumerate(zip(expected, single, strict=True))
        if got != want
    ]
    if batch != sum(expected):
        wrong.append(f"batch: {batch}, not {sum(expected)}")
    detail = "; ".join(wrong) or f"{sum(expected)} in all, EOS once a text"
    return Finding("token counts", not wrong, detail)


def _agreement(name: str, one: Vectors, other: Vectors) -> Finding:
    worst = float(np.einsum("ij,ij->i", _unit(one), _unit(other)).min())
    return Finding(name, worst >= SAME, f"cosine {worst:.6f} at least")


def _distinct(vectors: Vectors) -> Finding:
    unit = _unit(vectors)
    closest = float((unit @ unit.T - 2 * np.eye(len(unit), dtype=np.float32)).max())
    return Finding("distinct texts", closest <= DISTINCT, f"closest pair at cosine {closest:.6f}")


def _identical(base64: Vectors, floats: Vectors) -> Finding:
    """The same vector by two encodings; an engine may round one run differently from the next, so by cosine first."""
    if np.array_equal(base64, floats):
        return Finding("base64 = float", ok=True, detail="equal to the bit")
    return _agreement("base64 = float", base64, floats)


def _scores(vectors: Vectors, queries: Sequence[int], documents: Sequence[int], scores: Scores) -> Finding:
    unit = cut(vectors, scores.dimensions)
    got = unit[list(queries)] @ unit[list(documents)].T
    worst = float(np.abs(got - np.array(scores.matrix, dtype=np.float32)).max())
    name = f"reference scores at {scores.dimensions}"
    return Finding(name, worst <= (scores.tolerance or 0.0), f"off by {worst:.4f}, allowed {scores.tolerance}")


def _margin(vectors: Vectors, queries: Sequence[int], documents: Sequence[int], margin: float) -> Finding:
    """How far each query's own document, the one at the same place, lies above every other."""
    unit = _unit(vectors)
    scores = unit[list(queries)] @ unit[list(documents)].T
    others = np.where(np.eye(len(queries), dtype=bool), -1.0, scores)
    smallest = float((scores.diagonal() - others.max(axis=1)).min())
    return Finding("margin of the right document", smallest >= margin, f"{smallest:.3f}, at least {margin}")


def _unit(vectors: Vectors) -> Vectors:
    return cut(vectors, vectors.shape[1])
