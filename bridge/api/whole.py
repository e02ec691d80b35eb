"""A body as it grows, in memory that goes back to the system when it is done with.

An allocator keeps what a large body leaves: after a few of them that came at once, a process holds twice what it needs,
for good. So what is large lies in pages of its own, which cost nothing until they are written.
"""

import mmap
from types import TracebackType
from typing import Self

# Bytes from which on a body gets pages of its own.
LARGE = 256 * 1024


class Whole:
    """`size`: bytes that are announced, None where nobody knows."""

    def __init__(self, size: int | None) -> None:
        self._announced = size or 0
        self._small = b""
        self._pages: mmap.mmap | None = None
        self._view: memoryview | None = None
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """What `bytes` gave is gone."""
        if self._view is not None:
            self._view.release()
        if self._pages is not None:
            self._pages.close()

    def add(self, piece: bytes) -> None:
        end = self._end + len(piece)
        if self._pages is None and end <= LARGE:
            self._small += piece
        else:
            pages = self._room(end)
            pages[self._end : end] = piece
        self._end = end

    def bytes(self) -> bytes | memoryview:
        """All of it, until the end of the `with`."""
        if self._pages is None:
            return self._small
        self._view = memoryview(self._pages)[: self._end]
        return self._view

    def _room(self, end: int) -> mmap.mmap:
        """Pages for so many bytes at least, with what there is in them."""
        pages = self._pages
        if pages is not None and end <= len(pages):
            return pages
        self._pages = mmap.mmap(-1, max(end, self._announced, 2 * self._end))
        if pages is None:
            self._pages[: self._end], self._small = self._small, b""
        else:
            with memoryview(pages) as old, old[: self._end] as written:  # a slice of the pages would be a copy
                self._pages[: self._end] = written
            pages.close()
        return self._pages
