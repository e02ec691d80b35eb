"""What is measured of vectors, held against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from embedstack.vectors import checks

E = np.eye(3, 4, dtype=np.float32)  # three texts of which none is like another
SLANTED = np.array([[0.6, 0.8, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("value", "unit", "fault"),
    [
        (1.0, True, None),
        (1.0009, True, None),
        (1.002, True, "of length 1, not 1"),
        (2.0, True, "of length 2, not 1"),
        (2.0, False, None),
        (0.0, False, "zero"),
        (1e-7, True, "zero"),
        (np.nan, False, "not finite (NaN, null or infinity)"),
        (np.inf, True, "not finite (NaN, null or infinity)"),
    ],
)
def test_the_first_row_that_is_no_vector(value: float, unit: bool, fault: str | None) -> None:
    """By its place, and by what it is instead; a length other than 1 counts only where 1 is wanted."""
    rows = E.copy()
    rows[1, 1] = value

    assert checks.broken(rows, unit=unit) == (fault and (1, fault))


def test_lengths_are_measured_at_their_worst() -> None:
    """One row that is too short is enough."""
    assert checks.off_unit(E) == 0
    assert checks.off_unit(np.array([[1, 0], [0, 0.75]], dtype=np.float32)) == 0.25


def test_cosines_do_not_depend_on_the_length() -> None:
    """Row by row; a zero vector is like nothing, not even itself."""
    assert checks.cosines(E, 7 * SLANTED) == pytest.approx([0.6, 1, 1])
    assert list(checks.cosines(0 * E, 0 * E)) == [0, 0, 0]


def test_the_closest_pair_is_of_two_texts() -> None:
    """A text is not compared with itself."""
    assert checks.closest_pair(SLANTED) == pytest.approx(0.8)
    assert checks.closest_pair(E) == 0


def test_scores_and_margin() -> None:
    """Queries in the rows, documents in the columns; the right one stands at the same place."""
    table = checks.table(np.concatenate([SLANTED, E]), (0, 1), (3, 4))

    assert table.tolist() == [pytest.approx([0.6, 0.8]), [0, 1]]
    assert checks.off_scores(table, ((0.6, 0.8), (0.05, 1))) == pytest.approx(0.05)
    assert checks.margin(table) == pytest.approx(-0.2)


def test_counts_that_are_not_as_expected_are_reported() -> None:
    """Each with its text; one that was not counted is wrong too."""
    assert checks.wrong_counts([3, 4, 5], [3, 5, None]) == ["text 1: 5, not 4", "text 2: None, not 5"]
