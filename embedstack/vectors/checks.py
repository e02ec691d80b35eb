"""Measures vectors, and the limits for correct ones. Pure.

Everything is measured in float64. A zero vector has a cosine of 0 to anything, so no check accepts it. NaN exceeds
every limit.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedstack.vectors.mrl import Vectors

# A shorter "vector" is a zero vector with rounding noise: Ollama turns NaN into zeros (llama.cpp #14812).
SMALLEST_NORM = 1e-6
# How much the length of a vector may differ from 1. Engines that pass the gate normalise, so another length means that
# numbers are missing: if only a part is NaN, Ollama turns that part into zeros.
UNIT = 1e-3
SAME = 0.999  # cosine of one text embedded twice, at any precision (as in Ollama's own integration tests)
DISTINCT = 0.9999  # above this cosine, two different texts or roles got the same vector

Wide = NDArray[np.float64]


def broken(vectors: Vectors, *, unit: bool) -> tuple[int, str] | None:
    """The index of the first invalid row of (n, d), and what is wrong with it; None if all are valid. `unit`: rows must
    have length 1.
    """
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
    """The largest difference of a row's length from 1."""
    return float(np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max())


def cosines(one: Vectors, other: Vectors) -> Wide:
    """The cosine of each row of `one` with the same row of `other`."""
    found: Wide = np.einsum("ij,ij->i", _unit(one), _unit(other))
    return found


def closest_pair(vectors: Vectors) -> float:
    """The greatest cosine between two rows."""
    unit = _unit(vectors)
    return float((unit @ unit.T - 2 * np.eye(len(unit))).max())


def off_scores(table: Wide, published: Sequence[Sequence[float]]) -> float:
    """The largest difference of a cosine from the published one."""
    return float(np.abs(table - np.array(published)).max())


def margin(table: Wide) -> float:
    """The smallest lead of a query's own document, the one at the same index, over any other."""
    others = np.where(np.eye(len(table), dtype=bool), -1.0, table)
    return float((table.diagonal() - others.max(axis=1)).min())


def table(vectors: Vectors, queries: Sequence[int], documents: Sequence[int]) -> Wide:
    """Cosines of the query rows with the document rows."""
    unit = _unit(vectors)
    found: Wide = unit[list(queries)] @ unit[list(documents)].T
    return found


def wrong_counts(expected: Sequence[int], counted: Sequence[int | None]) -> list[str]:
    """The wrong counts, for a message. A missing or doubled end-of-text is one token less or more in every text."""
    pairs = enumerate(zip(expected, counted, strict=True))
    return [f"text {i}: {got}, not {want}" for i, (want, got) in pairs if got != want]


def _unit(vectors: Vectors) -> Wide:
    wide = vectors.astype(np.float64)
    unit: Wide = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return unit
