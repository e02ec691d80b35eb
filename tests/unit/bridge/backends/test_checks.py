"""What is not a set of vectors never gets past the checks."""

import numpy as np
import pytest

from embedstack.bridge.backends.checks import BrokenVectors, check
from embedstack.bridge.errors import EngineAnswerInvalid
from embedstack.vectors.mrl import Vectors


def unit(count: int, dimensions: int) -> Vectors:
    vectors = np.random.default_rng(1).standard_normal((count, dimensions))
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.mark.parametrize("count", [1, 2, 256])
def test_good_vectors_pass_as_they_are(count: int) -> None:
    """The very same array comes back, nothing is copied."""
    vectors = unit(count, 2560)

    assert vectors is check(vectors, count=count, dimensions=2560)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (unit(2, 64), "2 vectors for 3 texts"),
        (unit(4, 64), "4 vectors for 3 texts"),
        (np.empty((0, 64), dtype=np.float32), "0 vectors for 3 texts"),
        (np.empty(0, dtype=np.float32), "0 vectors for 3 texts"),
        (unit(3, 63), "vectors of 63 numbers; the model has 64"),
        (unit(3, 128), "vectors of 128 numbers; the model has 64"),
        (np.empty((3, 0), dtype=np.float32), "vectors of 0 numbers; the model has 64"),
    ],
)
def test_a_wrong_count_or_length_is_refused(vectors: Vectors, said: str) -> None:
    """Too few, too many, none, too short, too long: the message has both numbers."""
    with pytest.raises(EngineAnswerInvalid, match=said) as refused:
        check(vectors, count=3, dimensions=64)

    assert refused.value.code == "engine_answer_invalid"


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        (17, np.nan, "not finite"),
        (17, np.inf, "not finite"),
        (63, -np.inf, "not finite"),
        (slice(None), np.nan, "not finite"),
        (slice(None), 0.0, "zero"),
        (slice(None), 1e-9, "zero"),
    ],
)
def test_a_broken_vector_is_refused_and_named(index: int, place: int | slice, value: float, fault: str) -> None:
    """One component that is not finite is enough; all but zero is zero (Ollama makes zeros of NaN)."""
    vectors = unit(3, 64)
    vectors[index, place] = value

    with pytest.raises(BrokenVectors, match=f"text {index} is {fault}") as refused:
        check(vectors, count=3, dimensions=64)
    assert refused.value.code == "engine_vectors_broken"


def test_a_vector_alone_needs_no_number() -> None:
    """Anyone who asked for it knows which text of the request it was."""
    with pytest.raises(BrokenVectors, match="The engine's vector is zero") as refused:
        check(np.zeros((1, 64), np.float32), count=1, dimensions=64)

    assert refused.value.at(33).message == "input 33: The engine's vector is zero."


@pytest.mark.parametrize("length", [0.998, 1.002, 0.5, 40])
def test_a_vector_of_another_length_is_broken_where_the_engine_normalises(length: float) -> None:
    """Part of it was never written; an engine that never normalised is judged by the gate, not here."""
    vectors = unit(3, 64)
    vectors[2] *= length

    assert vectors is check(vectors, count=3, dimensions=64)
    with pytest.raises(BrokenVectors, match="text 2 is of length"):
        check(vectors, count=3, dimensions=64, unit=True)


def test_rounding_is_no_other_length() -> None:
    """Half precision and a sum in another order move a length by some ten-thousandths."""
    vectors = unit(3, 64) * np.float32(1.0005)

    assert vectors is check(vectors, count=3, dimensions=64, unit=True)
