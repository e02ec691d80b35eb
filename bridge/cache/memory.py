"""The vectors used last, in memory, within a bound of bytes."""

from collections import OrderedDict

import numpy as np

from embedstack.bridge.request import Row

# What an entry takes besides its numbers: key, row, array and table, and what the allocator rounds up. Measured.
ENTRY_OVERHEAD = 1536


class MemoryTier:
    """The least recently used leave first. 0 bytes keep nothing."""

    def __init__(self, most_bytes: int) -> None:
        self.most = most_bytes
        self.bytes = 0
        self._rows: OrderedDict[bytes, Row] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: bytes) -> Row | None:
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, key: bytes, row: Row) -> None:
        size = row.vector.nbytes + ENTRY_OVERHEAD
        if size > self.most:
            return
        self.discard(key)
        self._rows[key] = _own(row)
        self.bytes += size
        while self.bytes > self.most:
            _, oldest = self._rows.popitem(last=False)
            self.bytes -= oldest.vector.nbytes + ENTRY_OVERHEAD

    def discard(self, key: bytes) -> None:
        row = self._rows.pop(key, None)
        if row is not None:
            self.bytes -= row.vector.nbytes + ENTRY_OVERHEAD

    def clear(self) -> None:
        self._rows.clear()
        self.bytes = 0


def _own(row: Row) -> Row:
    """A row of a matrix, or of a whole answer, would keep all of it alive."""
    vector, base = row.vector, row.vector.base
    held = base.nbytes if isinstance(base, np.ndarray) else len(base) if isinstance(base, bytes) else None
    if base is not None and (held is None or held > vector.nbytes + ENTRY_OVERHEAD):
        vector = vector.copy()
    if vector is row.vector and not vector.flags.writeable:
        return row
    vector.flags.writeable = False
    return Row(vector, row.tokens)
