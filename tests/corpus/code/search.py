"""Searching in sorted lists."""

from collections.abc import Sequence


def binary_search(items: Sequence[int], wanted: int) -> int | None:
    """The index of `wanted` in a sorted list, halving what is left at each step; None where it is not there."""
    low, high = 0, len(items)
    while low < high:
        middle = (low + high) // 2
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < len(items) and items[low] == wanted else None


def common(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """What stands in both of two sorted lists, in one pass over each."""
    both, at = [], 0
    for item in one:
        while at < len(other) and other[at] < item:
            at += 1
        if at < len(other) and other[at] == item:
            both.append(item)
            at += 1
    return both
