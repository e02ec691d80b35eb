"""When a part that has ended is started again."""

from embedstack.deploy.native.watched import NEVER_READY, ONCE_READY, STABLE, EarlyEnds


def after(row: EarlyEnds, *runs: tuple[bool, float]) -> EarlyEnds:
    for ready, lasted in runs:
        row = row.ended(ready=ready, lasted=lasted)
    return row


def test_each_start_waits_twice_as_long_up_to_half_a_minute() -> None:
    """Exponential and bounded."""
    row, delays = EarlyEnds(once_ready=True), []
    for _ in range(9):
        row = row.ended(ready=False, lasted=1)
        delays.append(row.delay)
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_what_never_was_ready_is_given_up_after_three_runs() -> None:
    """However long they took: what loads for a minute and ends has not been ready either."""
    assert not after(EarlyEnds(), (False, 0.1), (False, 90.0)).hopeless
    assert after(EarlyEnds(), *[(False, 90.0)] * NEVER_READY).hopeless


def test_what_was_ready_once_is_given_more_time() -> None:
    """Its engine or its disk may come back."""
    row = after(EarlyEnds(), (True, 1.0), *[(False, 0.1)] * (ONCE_READY - 2))
    assert not row.hopeless
    assert row.ended(ready=False, lasted=0.1).hopeless


def test_a_long_run_forgives() -> None:
    """A kill a day is not a row of failures, and the next start comes soon."""
    row = after(EarlyEnds(), *[(True, 1.0)] * 5, (True, STABLE))
    assert (row.failures, row.delay) == (0, 0.5)
