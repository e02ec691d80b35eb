"""The primitives of the GGUF format: numbers, strings, arrays. Pure.

Nothing that a damaged file claims is believed: every count has a bound, and so have the bytes of all strings read.
"""

import re
from mmap import mmap
from struct import Struct

Scalar = bool | int | float | str
Value = Scalar | list[Scalar]

# Value types of the format (ggml/docs/gguf.md) by their number; 8 is a string, 9 an array.
_FORMS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_NUMBERS = {kind: Struct(form) for kind, form in _FORMS.items()}
UINT32, STRING, ARRAY, UINT64 = 4, 8, 9, 10

MOST_ITEMS = 2**21  # of all arrays of strings together, and of one array of numbers; Qwen has 303,052 strings
MOST_BYTES = 2**26  # of all strings that are read; Qwen's tokens and merges have 3.5 million
CHUNK = 64
"""Strings between two noted places of an array."""

# The lengths of most tokens and merges, likely ones first. One match walks a chunk of them three times as fast as a
# loop would; it is exact, since each length is followed by so many bytes and the next length.
_LIKELY = (*range(5, 10), *range(4, -1, -1), *range(10, 128))
_SHORT = b"|".join(re.escape(length.to_bytes(8, "little")) + b".{%d}" % length for length in _LIKELY)
_SHORT_STRINGS = re.compile(b"(?:%s){%d}+" % (_SHORT, CHUNK), re.DOTALL)


class Cursor:
    """A place in the file, moved on by whatever is read. ValueError where that leads nowhere."""

    def __init__(self, data: mmap, at: int = 0) -> None:
        self._data = data
        self._strings = 0  # how many strings of arrays have been walked
        self._left = MOST_BYTES
        self.at = at

    def number(self, kind: int) -> int | float:
        form = _number_form(kind)
        number: int | float = form.unpack_from(self._data, self._moved(form.size))[0]
        return number

    def count(self, most: int, what: str) -> int:
        """A u64 that says how many follow. ValueError where it is more than `most`."""
        if (count := int(self.number(UINT64))) > most:
            raise ValueError(f"{count} {what}, where no more than {most} can be right")
        return count

    def string(self) -> str:
        length = self.count(self._left, "bytes in a string")
        self._left -= length
        start = self._moved(length)
        return self._data[start : self.at].decode("utf-8", "replace")

    def scalar(self, kind: int) -> Scalar:
        return self.string() if kind == STRING else self.number(kind)

    def array(self) -> list[Scalar]:
        kind, length = self._array_head()
        if kind == STRING:
            self._count_strings(length)
        return [self.scalar(kind) for _ in range(length)]

    def skip(self, kind: int) -> None:
        """Pass a value that is not an array."""
        self._moved(int(self.number(UINT64)) if kind == STRING else _number_form(kind).size)

    def skip_array(self) -> "Skipped":
        kind, length = self._array_head()
        if kind == STRING:
            return Skipped(length, self._skip_strings(length))
        self._moved(length * _number_form(kind).size)
        return Skipped(length, ())

    def _array_head(self) -> tuple[int, int]:
        kind = int(self.number(UINT32))
        if kind == ARRAY:
            raise ValueError("an array of arrays, which no model has and llama.cpp refuses")
        return kind, self.count(MOST_ITEMS, "items in an array")

    def _skip_strings(self, count: int) -> tuple[int, ...]:
        self._count_strings(count)
        starts = []
        for done in range(0, count, CHUNK):
            starts.append(self.at)
            self._skip_chunk(min(CHUNK, count - done))
        return tuple(starts)

    def _skip_chunk(self, count: int) -> None:
        if count == CHUNK and (found := _SHORT_STRINGS.match(self._data, self.at)):
            self.at = found.end()
            return
        for _ in range(count):
            self.skip(STRING)

    def _count_strings(self, count: int) -> None:
        self._strings += count
        if self._strings > MOST_ITEMS:
            raise ValueError(f"more than {MOST_ITEMS} strings in its arrays")

    def _moved(self, size: int) -> int:
        """Move on by `size` bytes; where they began."""
        start, self.at = self.at, self.at + size
        if self.at > len(self._data):
            raise ValueError("it ends in the middle of a value")
        return start


class Skipped:
    """An array that was passed: its length, and where every CHUNK-th of its strings begins."""

    def __init__(self, length: int, starts: tuple[int, ...]) -> None:
        self.length = length
        self._starts = starts

    def string(self, data: mmap, index: int) -> str | None:
        """The string at `index`, None where there is none."""
        if not (self._starts and 0 <= index < self.length):
            return None
        cursor = Cursor(data, self._starts[index // CHUNK])
        for _ in range(index % CHUNK):
            cursor.skip(STRING)
        return cursor.string()


def _number_form(kind: int) -> Struct:
    try:
        return _NUMBERS[kind]
    except KeyError:
        raise ValueError(f"a value of type {kind}, which the format does not know") from None
