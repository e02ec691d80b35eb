"""Is a key surely not on disk? A Bloom filter, so that a miss costs no look there. Pure."""

from collections.abc import Iterable

import numpy as np

# Ten bits and seven probes a key: one miss in a hundred looks in vain.
_BITS, _PROBES = 10, 7
KEY_BYTES = 32


class KeyFilter:
    """For keys of 32 bytes that are themselves digests, so that their own bytes are the probes. `most` keys are meant
    to fit; `added` counts them.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.added = 0
        self._bits = bytearray(max(1024, most * _BITS // 8 + 1))
        self._size = len(self._bits) * 8

    def add(self, key: bytes) -> None:
        bits, size = self._bits, self._size
        self.added += 1
        for start in range(0, 4 * _PROBES, 4):
            place = int.from_bytes(key[start : start + 4], "little") % size
            bits[place >> 3] |= 1 << (place & 7)

    def add_all(self, keys: Iterable[bytes]) -> None:
        """The same for many, ten times as fast. What is no key, out of a damaged file, is passed over."""
        whole = [key for key in keys if isinstance(key, bytes) and len(key) == KEY_BYTES]
        self.added += len(whole)
        words = np.frombuffer(b"".join(whole), "<u4").reshape(-1, KEY_BYTES // 4)[:, :_PROBES]
        places = (words % self._size).ravel()
        np.bitwise_or.at(
            np.frombuffer(self._bits, np.uint8), places >> 3, np.left_shift(1, places & 7).astype(np.uint8)
        )

    def __contains__(self, key: bytes) -> bool:
        bits, size = self._bits, self._size
        for start in range(0, 4 * _PROBES, 4):
            place = int.from_bytes(key[start : start + 4], "little") % size
            if not bits[place >> 3] >> (place & 7) & 1:
                return False
        return True
