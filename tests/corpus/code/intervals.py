"""Time spans of a calendar: what a meeting room's booking page computes."""

from collections.abc import Iterable, Sequence

Span = tuple[int, int]  # minutes since midnight: the first, and the one after the last


def merge(spans: Iterable[Span]) -> list[Span]:
    """Join spans that overlap or touch; the result is sorted."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def free(booked: Iterable[Span], opens: int, closes: int) -> list[Span]:
    """What is left of the day between opening and closing time."""
    gaps, at = [], opens
    for start, end in merge(booked):
        if at < min(start, closes):
            gaps.append((at, min(start, closes)))
        at = max(at, end)
    return [*gaps, (at, closes)] if at < closes else gaps


def first_fit(gaps: Sequence[Span], minutes: int) -> Span | None:
    """The earliest gap that a meeting of that length fits in, cut to its length; None where none is long enough."""
    return next(((start, start + minutes) for start, end in gaps if end - start >= minutes), None)
