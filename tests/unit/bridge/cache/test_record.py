"""A vector on disk comes back bit for bit, or not at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedstack.bridge.cache.tier import KeyFilter, pack, unpack
from embedstack.bridge.request import Row
from tests.unit.bridge.cache.cached_rows import DIMENSIONS, assert_same, key, row


@given(
    arrays(np.float32, st.integers(1, 300), elements=st.floats(-1, 1, width=32)).filter(
        lambda numbers: float(np.linalg.norm(numbers)) > 1e-3
    ),
    st.integers(0, 2**32 - 1),
)
def test_every_bit_comes_back(numbers: np.ndarray, tokens: int) -> None:
    """Also of the smallest numbers, and of minus zero."""
    kept = Row((numbers / np.linalg.norm(numbers)).astype(np.float32), tokens)

    assert_same(kept, unpack(pack(kept), len(numbers)))


@pytest.mark.parametrize("bit", range(0, 8 * len(pack(row(1))), 37))
def test_one_flipped_bit_is_noticed(bit: int) -> None:
    """Wherever it lies: checksum, tokens or numbers."""
    data = bytearray(pack(row(1)))
    data[bit // 8] ^= 1 << bit % 8

    assert unpack(bytes(data), DIMENSIONS) is None


@pytest.mark.parametrize("data", [b"", b"short", pack(row(1))[:-1], pack(row(1)) + b"\0", None, "text"])
def test_what_is_no_record_is_nothing(data: bytes) -> None:
    """Cut short, longer, or not even bytes, as a damaged file may have it."""
    assert unpack(data, DIMENSIONS) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 2.0])
def test_what_is_no_unit_vector_is_nothing(value: float) -> None:
    """Though its checksum be right."""
    assert unpack(pack(Row(np.full(DIMENSIONS, value, np.float32), 1)), DIMENSIONS) is None


def test_another_dimension_is_nothing() -> None:
    """Another model's vector is not this one's."""
    assert unpack(pack(row(1, 32)), DIMENSIONS) is None


# --- the filter -----------------------------------------------------------------------------------------------------


def test_no_key_that_was_added_is_ever_denied() -> None:
    """One by one or many together, also when there are more than were meant to fit."""
    keys = [key(number) for number in range(6000)]
    known = KeyFilter(2000)
    known.add_all(keys[:3000])
    for one in keys[3000:]:
        known.add(one)

    assert all(one in known for one in keys)
    assert known.added == 6000


def test_nearly_every_other_key_is_denied() -> None:
    """One in a hundred is looked for in vain."""
    known = KeyFilter(5000)
    known.add_all(key(number) for number in range(5000))

    assert sum(key(number) in known for number in range(10_000, 30_000)) < 400


def test_what_is_no_key_does_no_harm() -> None:
    """A damaged file may name anything as a key."""
    known = KeyFilter(10)
    known.add_all([b"short", None, "text", key(1)])  # type: ignore[list-item]

    assert key(1) in known
    assert known.added == 1
