"""Matryoshka cuts: the first k components, of length one again; and their encoding."""

import base64
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from embedstack.vectors.mrl import Vectors, cut, from_base64, to_base64

NATIVE = 2560


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """Unit vectors (7, 2560)."""
    drawn = np.random.default_rng(4).standard_normal((7, NATIVE))
    unit: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.mark.parametrize("k", [1, 32, 33, 64, 100, 256, 512, 768, 1024, 1536, 2048, 2559, 2560])
def test_a_cut_is_prefix_then_norm(vectors: Vectors, k: int) -> None:
    """The same as in double precision, to the last digit that float32 has; of length one; float32."""
    head = vectors[:, :k].astype(np.float64)
    expected = head / np.linalg.norm(head, axis=1, keepdims=True)
    found = cut(vectors, k)

    assert found.shape == (7, k)
    assert found.dtype == np.float32
    np.testing.assert_allclose(expected, found, atol=2e-7)
    np.testing.assert_allclose(1, np.linalg.norm(found, axis=1), atol=1e-6)


def test_a_cut_leaves_the_vectors_alone(vectors: Vectors) -> None:
    """One full vector serves every dimension, so no cut may write into it."""
    before = vectors.copy()
    cut(vectors, NATIVE)[:] = 0

    np.testing.assert_array_equal(before, vectors)


def test_a_cut_of_a_cut_is_the_smaller_cut(vectors: Vectors) -> None:
    """Going down in steps ends where going down at once does."""
    np.testing.assert_allclose(cut(vectors, 64), cut(cut(vectors, 1024), 64), atol=2e-7)


def test_vectors_of_another_length_come_out_as_unit_vectors(vectors: Vectors) -> None:
    """An engine that does not normalise changes nothing."""
    np.testing.assert_allclose(cut(vectors, 256), cut(vectors * np.float32(1e4), 256), atol=2e-7)


@pytest.mark.parametrize("k", [0, -1, NATIVE + 1])
def test_there_is_no_such_cut(vectors: Vectors, k: int) -> None:
    """The caller has checked the range; what comes through is an error and not a shorter vector."""
    with pytest.raises(ValueError, match=f"cannot cut vectors of 2560 components to {k}"):
        cut(vectors, k)


def test_a_cut_to_nothing_but_zeros_is_refused(vectors: Vectors) -> None:
    """A zero vector has no direction; it must not become NaN."""
    hollow = vectors.copy()
    hollow[3, :64] = 0
    with pytest.raises(ValueError, match="no component but zero among its first 64"):
        cut(hollow, 64)


def test_base64_is_little_endian_float32() -> None:
    """What OpenAI's clients decode, on every machine."""
    assert base64.b64encode(struct.pack("<3f", 1.0, -0.5, 3e-8)).decode() == to_base64(
        np.array([1.0, -0.5, 3e-8], dtype=np.float32)
    )


@given(arrays.arrays(np.float32, st.integers(0, 100), elements=st.floats(width=32)))
def test_base64_brings_every_bit_back(vector: Vectors) -> None:
    """For every length and every number, NaN and infinity too."""
    assert vector.astype("<f4").tobytes() == from_base64(to_base64(vector)).tobytes()


@pytest.mark.parametrize("text", ["AAA", "AAAA", "!!!!", "AAAAAAAA\n", "ÄAAA"])
def test_base64_that_is_no_whole_vector_is_refused(text: str) -> None:
    """Half a float, foreign characters, missing padding."""
    with pytest.raises(ValueError, match=r"."):
        from_base64(text)
