"""Numbered keys and their vectors, for the tests of the cache.

Without pytest: the processes that a test starts and kills a hundred times import it too, and are not to wait for that.
"""

import hashlib

import numpy as np

from embedstack.bridge.request import Row

DIMENSIONS = 64


def key(number: int) -> bytes:
    return hashlib.sha256(f"text {number}".encode()).digest()


def row(number: int, dimensions: int = DIMENSIONS) -> Row:
    """A unit vector that is the number's own, so that one served for another is seen."""
    drawn = np.random.default_rng(number).standard_normal(dimensions)
    vector = (drawn / np.linalg.norm(drawn)).astype(np.float32)
    vector.flags.writeable = False
    return Row(vector, number % 1000)


def assert_same(expected: Row, found: Row | None) -> None:
    assert found is not None
    assert (expected.tokens, expected.vector.tobytes()) == (found.tokens, found.vector.tobytes())
    assert not found.vector.flags.writeable
