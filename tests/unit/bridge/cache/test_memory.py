"""The memory tier: the least recently used leaves first, and its bound holds."""

import numpy as np

from embedstack.bridge.cache.cache import ENTRY_OVERHEAD, MemoryTier
from embedstack.bridge.request import Row
from tests.unit.bridge.cache.cached_rows import DIMENSIONS, assert_same, key, row

ENTRY = 4 * DIMENSIONS + ENTRY_OVERHEAD


def test_the_least_recently_used_leaves_first() -> None:
    """A look counts as a use, and so does a second put."""
    tier = MemoryTier(3 * ENTRY)
    for number in (1, 2, 3):
        tier.put(key(number), row(number))
    tier.get(key(1))
    tier.put(key(2), row(2))
    tier.put(key(4), row(4))

    assert tier.get(key(3)) is None
    for number in (1, 2, 4):
        assert_same(row(number), tier.get(key(number)))


def test_the_bound_holds() -> None:
    """With rows of any size, put twice, discarded and cleared."""
    tier = MemoryTier(10 * ENTRY)
    for number in range(500):
        tier.put(key(number % 90), row(number, 1 + number % 200))
        tier.discard(key(number % 7))
        assert tier.bytes == sum(row.vector.nbytes + ENTRY_OVERHEAD for row in tier._rows.values()) <= tier.most
    assert len(tier)
    tier.clear()

    assert (len(tier), tier.bytes) == (0, 0)


def test_no_bytes_keep_nothing() -> None:
    """0 is how it is switched off."""
    tier = MemoryTier(0)
    tier.put(key(1), row(1))

    assert (tier.get(key(1)), len(tier)) == (None, 0)


def test_a_row_does_not_keep_the_matrix_that_it_came_in() -> None:
    """Nor the answer of the engine: one row of it would hold the memory of all."""
    tier = MemoryTier(1 << 20)
    matrix = np.stack([row(number).vector for number in range(100)])
    body = matrix.tobytes()
    for number, vector in enumerate((matrix[7], np.frombuffer(body, np.float32, DIMENSIONS))):
        tier.put(key(number), Row(vector, 1))
        kept = tier.get(key(number))

        assert kept is not None
        assert kept.vector.base is None
        assert kept.vector.tobytes() == vector.tobytes()
        assert not kept.vector.flags.writeable
