"""Is what an engine answered a set of vectors at all? Pure."""

import numpy as np

from embedstack.bridge.errors import EngineAnswerInvalid
from embedstack.vectors.mrl import Vectors

# Below this a "vector" is a zero vector with rounding noise: Ollama turns NaN into zeros (llama.cpp #14812).
SMALLEST_NORM = 1e-6
# How far from 1 the length of a vector may lie. Engines that pass the gate normalise, so another length means numbers
# that were never written: Ollama turns the NaN of a part, too, into zeros.
UNIT = 1e-3


class BrokenVectors(EngineAnswerInvalid):
    """NaN, infinity, zero, not of length 1: the engine's state is at fault, which a reload may mend; or, where it makes
    right vectors of other texts (`may_be_text`), this text is, of which it makes none.
    """

    code = "engine_vectors_broken"
    about_text = True
    may_be_text = False


def check(vectors: Vectors, *, count: int, dimensions: int, unit: bool = False) -> Vectors:
    """The vectors (count, dimensions) float32 as they came, which `unit` wants of length 1. EngineAnswerInvalid or
    BrokenVectors.
    """
    if vectors.ndim != 2 or vectors.shape[0] != count:
        got = vectors.shape[0] if vectors.ndim else 0
        raise EngineAnswerInvalid(f"The engine answered {got} vectors for {count} texts.", _ADVICE)
    if vectors.shape[1] != dimensions:
        raise EngineAnswerInvalid(
            f"The engine answered vectors of {vectors.shape[1]} numbers; the model has {dimensions}.",
            "Check that the engine serves the configured model, and no other dimension.",
        )
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    least, most = ((1 - UNIT) ** 2, (1 + UNIT) ** 2) if unit else (SMALLEST_NORM**2, np.inf)
    good = (squares > least) & (squares < most)
    if good.all():
        return vectors
    index = int(np.argmin(good))
    which = "vector" if count == 1 else f"vector for text {index}"
    raise BrokenVectors(f"The engine's {which} is {_fault(float(squares[index]))}.", _ADVICE)


def _fault(square: float) -> str:
    if not np.isfinite(square):
        return "not finite (NaN, null or infinity)"
    return "zero" if square <= SMALLEST_NORM**2 else f"of length {square**0.5:.3g}, not 1"


_ADVICE = "Look at the engine's log; a restart, another GPU driver or another quantisation may mend it."
