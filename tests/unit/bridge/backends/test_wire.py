"""Vectors as engines write them become one matrix: the short way where all is as asked, else the long one."""

import base64
from typing import Any

import numpy as np
import orjson
import pytest

from embedstack.bridge.backends.wire import from_openai, plain_base64, to_matrix
from embedstack.bridge.errors import EngineAnswerInvalid


def packed(*values: float) -> str:
    return base64.b64encode(np.array(values, "<f4").tobytes()).decode()


def answer(*rows: Any, indices: list[Any] | None = None, **fields: Any) -> bytes:
    entries = [{"index": i, "embedding": row} for i, row in zip(indices or range(len(rows)), rows, strict=True)]
    return orjson.dumps({"data": entries, "usage": {"prompt_tokens": 7}, **fields})


def test_a_plain_answer_is_read_at_once() -> None:
    """With the tokens that the engine counted."""
    plain = plain_base64(answer(packed(1, 2), packed(3, 4)), 2)

    assert plain is not None
    assert plain[0].tolist() == [[1, 2], [3, 4]]
    assert plain[0].dtype == np.float32
    assert plain[1] == 7


@pytest.mark.parametrize(
    "body",
    [
        answer(packed(1), packed(2), indices=[1, 0]),
        answer(packed(1), packed(2), indices=[0, 0]),
        answer(packed(1), packed(2), indices=[False, True]),
        answer(packed(1)),
        answer(packed(1), packed(2), packed(3)),
        answer(packed(1, 2), packed(1, 2, 3, 4)),
        answer([0.5], [0.25]),
        answer(packed(1), None),
        answer(packed(1), "not base64"),
        answer("AAA=", "AAA="),
        answer(packed(1), packed(2), usage=None),
        b"<html>",
        b"",
    ],
    ids=[
        "another order", "one index twice", "indices that are no numbers", "too few", "too many", "lengths that differ",
        "floats", "null", "no base64", "no whole floats", "no tokens", "no JSON", "nothing",
    ],
)  # fmt: skip
def test_any_other_answer_is_left_to_the_long_way(body: bytes) -> None:
    """Two rows of different lengths would otherwise be mixed: six numbers are also twice three."""
    assert plain_base64(body, 2) is None


def test_rows_stand_where_their_index_says() -> None:
    """Whatever the order in which the engine wrote them."""
    data = [{"index": 1, "embedding": packed(1)}, {"index": 0, "embedding": packed(2)}]

    assert from_openai(data, 2).tolist() == [[2], [1]]


def test_numbers_are_rounded_to_float32_as_numpy_rounds() -> None:
    """The short way through `struct` gives the very same bits."""
    rows = np.random.default_rng(1).standard_normal((3, 2560)).tolist()

    assert np.array_equal(to_matrix(rows), np.array(rows, np.float32))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0.5, None]], [[0.5, np.nan]]),
        ([[0.5, 1e300]], [[0.5, np.inf]]),
        ([[1, 2]], [[1, 2]]),
        ([[0.5, 2]], [[0.5, 2]]),
    ],
    ids=["null", "beyond float32", "whole numbers", "both kinds"],
)
def test_numbers_that_are_not_plain_floats_are_kept_for_the_check(rows: list[Any], expected: list[Any]) -> None:
    """Which refuses NaN and infinity by name."""
    assert np.array_equal(to_matrix(rows), np.array(expected, np.float32), equal_nan=True)


@pytest.mark.parametrize(
    "rows",
    [[[0.5], [0.5, 0.5]], [["0.5"]], [[0.5, "0.5"]], [[True, False]], [0.5], ["ab"], [[[0.5]]], [{"0": 0.5}], [None]],
    ids=["lengths", "strings", "a string", "truth", "flat", "text", "nested", "objects", "null"],
)
def test_what_is_no_row_of_numbers_is_refused(rows: list[Any]) -> None:
    """NumPy alone would read some of it."""
    with pytest.raises(EngineAnswerInvalid, match="not rows of numbers"):
        to_matrix(rows)
