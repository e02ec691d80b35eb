"""Is what an engine answered a set of vectors at all? Refused with the bridge's errors where it is not. Pure."""

from embedstack.bridge.errors import EngineAnswerInvalid
from embedstack.vectors.checks import broken
from embedstack.vectors.mrl import Vectors


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
    if (found := broken(vectors, unit=unit)) is None:
        return vectors
    index, fault = found
    which = "vector" if count == 1 else f"vector for text {index}"
    raise BrokenVectors(f"The engine's {which} is {fault}.", _ADVICE)


_ADVICE = "Look at the engine's log; a restart, another GPU driver or another quantisation may mend it."
