"""What right vectors are: the limits, and what is measured to hold against them. Pure.

Measured in float64, whatever comes. A zero vector stays one: its cosine to anything is 0, and no check takes it for
right. NaN is off by more than anything allows.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedstack.vectors.mrl import Vectors

# Below this a "vector" is a zero vector with rounding noise: Ollama turns NaN into zeros (llama.cpp #14812).
SMALLEST_NORM = 1e-6
# How far from 1 the length of a vector may lie. Engines that pass the gate normalise, so another length means numbers
# that were never written: Ollama turns the NaN of a part, too, into zeros.
UNIT = 1e-3
SAME = 0.999  # cosine of one text embedded twice, at any precision (Ollama's own integration tests ask as much)
DISTINCT = 0.9999  # above this two different texts, or two roles, have been answered with one vector

Wide = NDArray[np.float64]


def broken(vectors: Vectors, *, unit: bool) -> tuple[int, str] | None:
    """The first row (n, d) that is not a vector, and what it is instead; None where all are. `unit`: of length 1."""
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    least, most = ((1 - UNIT) ** 2, (1 + UNIT) ** 2) if unit else (SMALLEST_NORM**2, np.inf)
    good = (squares > least) & (squares < most)
    if good.all():
        return None
    index = int(np.argmin(good))
    return index, _fault(float(squares[index]))


def _fault(square: float) -> str:
    if not np.isfinite(square):
        return "not finite (NaN, null or infinity)"
    return "zero" if square <= SMALLEST_NORM**2 else f"of length {square**0.5:.3g}, not 1"


def off_unit(vectors: Vectors) -> float:
    """How far from 1 a row's length lies at most."""
    return float(np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max())


def cosines(one: Vectors, other: Vectors) -> Wide:
    """Row by row."""
    found: Wide = np.einsum("ij,ij->i", _unit(one), _unit(other))
    return found


def closest_pair(vectors: Vectors) -> float:
    """The greatest cosine between two rows."""
    unit = _unit(vectors)
    return float((unit @ unit.T - 2 * np.eye(len(unit))).max())


def off_scores(table: Wide, published: Sequence[Sequence[float]]) -> float:
    """How far a cosine lies from the published one at most."""
    return float(np.abs(table - np.array(published)).max())


def margin(table: Wide) -> float:
    """How far each query's own document, the one at the same place, lies above every other at least."""
    others = np.where(np.eye(len(table), dtype=bool), -1.0, table)
    return float((table.diagonal() - others.max(axis=1)).min())


def table(vectors: Vectors, queries: Sequence[int], documents: Sequence[int]) -> Wide:
    """Cosines of the rows that are queries with those that are documents."""
    unit = _unit(vectors)
    found: Wide = unit[list(queries)] @ unit[list(documents)].T
    return found


def wrong_counts(expected: Sequence[int], counted: Sequence[int | None]) -> list[str]:
    """For a sentence. A missing or doubled end-of-text is one token less or more in every text."""
    pairs = enumerate(zip(expected, counted, strict=True))
    return [f"text {i}: {got}, not {want}" for i, (want, got) in pairs if got != want]


def _unit(vectors: Vectors) -> Wide:
    wide = vectors.astype(np.float64)
    unit: Wide = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return unit
