"""Whose tokens they were, where an engine counted several texts together. Pure."""

from collections.abc import Sequence


def shares(total: int, texts: Sequence[str]) -> list[int]:
    """`total` split over texts by their bytes, EOS for each included; the parts add up to it exactly.

    No engine says what a single text of a batch took. A text that was embedded alone has its exact count.
    """
    sizes = [len(text.encode()) for text in texts]
    rest, bytes_left = total - len(texts), sum(sizes)  # an EOS each first
    parts = []
    for size in sizes:
        part = round(rest * size / bytes_left) if bytes_left else 0
        parts.append(1 + part)
        rest -= part
        bytes_left -= size
    if parts:
        parts[-1] += rest
    return parts
