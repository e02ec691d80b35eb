"""What must hold of vectors and counts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedstack.models.model import Reference, Scores

Vectors = NDArray[np.float32]

UNIT = 1e-3  # how far from 1 a length may lie, as the bridge has it
SAME = 0.999  # cosine of one text embedded twice, at any precision (Ollama's own integration tests ask as much)
DISTINCT = 0.9999  # above this a role has changed nothing


@dataclass(frozen=True)
class SmokeVerdict:
    """Whether it holds (None: it cannot be asked), what was found and what must be."""

    passed: bool | None
    value: str
    must: str


def dimensions(vectors: Vectors, native: int) -> SmokeVerdict:
    return SmokeVerdict(vectors.shape[1] == native, str(vectors.shape[1]), str(native))


def norm(vectors: Vectors) -> SmokeVerdict:
    """NaN is off by more than anything allows."""
    worst = float(np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max())
    return SmokeVerdict(worst <= UNIT, f"1, off by {worst:.1e} at most", f"1, off by no more than {UNIT:g}")


def tokens(expected: Sequence[int], single: Sequence[int | None], together: int | None) -> SmokeVerdict:
    """A missing or doubled EOS is one token less or more in every text."""
    wrong = [
        f"text {i}: {got}, not {want}"
        for i, (want, got) in enumerate(zip(expected, single, strict=True))
        if got != want
    ]
    if together != sum(expected):
        wrong.append(f"together: {together}, not {sum(expected)}")
    must = f"{sum(expected)} tokens in all, end-of-text once a text"
    return SmokeVerdict(not wrong, "; ".join(wrong) or must, must)


def same(one: Vectors, other: Vectors) -> SmokeVerdict:
    """Row by row."""
    must = f"cosine {SAME} at least"
    if one.shape != other.shape:
        return SmokeVerdict(False, f"shapes {one.shape} and {other.shape}", must)
    worst = float(_cosines(one, other).min())
    return SmokeVerdict(worst >= SAME, f"cosine {worst:.6f} at least", must)


def cut_of(full: Vectors, got: Vectors, size: int) -> SmokeVerdict:
    """`got` must be the first `size` numbers of `full`, of length 1 again."""
    must = f"the first {size} numbers, of length 1 again"
    if got.shape[1] != size:
        return SmokeVerdict(False, f"{got.shape[1]} numbers", must)
    if not (length := norm(got)).passed:
        return SmokeVerdict(False, f"of length {length.value}", must)
    verdict = same(full[:, :size], got)
    return SmokeVerdict(verdict.passed, verdict.value, f"{must}, {verdict.must}")


def differ(query: Vectors, document: Vectors) -> SmokeVerdict:
    nearest = float(_cosines(query, document).max())
    return SmokeVerdict(nearest <= DISTINCT, f"cosine {nearest:.4f}", f"another vector, cosine below {DISTINCT}")


def scores(vectors: Vectors, reference: Reference, at: Scores) -> SmokeVerdict:
    """Cosines of queries with documents against the published ones, at their size."""
    got = _table(vectors[:, : at.dimensions], reference)
    worst = float(np.abs(got - np.array(at.matrix)).max())
    allowed = at.tolerance or 0.0
    return SmokeVerdict(worst <= allowed, f"off by {worst:.4f} at most", f"off by {allowed} at most ({at.source})")


def margin(vectors: Vectors, reference: Reference, least: float) -> SmokeVerdict:
    """How far each query's own document, the one at the same place, lies above every other."""
    got = _table(vectors, reference)
    others = np.where(np.eye(len(got), dtype=bool), -1.0, got)
    smallest = float((got.diagonal() - others.max(axis=1)).min())
    return SmokeVerdict(smallest >= least, f"{smallest:.3f}", f"{least} at least")


def _table(vectors: Vectors, reference: Reference) -> NDArray[np.float64]:
    unit = _unit(vectors)
    table: NDArray[np.float64] = unit[list(reference.queries)] @ unit[list(reference.documents)].T
    return table


def _cosines(one: Vectors, other: Vectors) -> NDArray[np.float64]:
    cosines: NDArray[np.float64] = np.einsum("ij,ij->i", _unit(one), _unit(other))
    return cosines


def _unit(vectors: Vectors) -> NDArray[np.float64]:
    """A zero vector stays one: its cosine to anything is 0, and no check takes it for right."""
    wide = vectors.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return unit
