"""The header of a GGUF file, key by key. Pure but for the file.

The `gguf` package's own reader makes a NumPy view of every string: ten seconds and hundreds of megabytes for Qwen's
vocabulary, against a fifth of a second here.
"""

import struct
from collections.abc import Collection
from mmap import ACCESS_READ, mmap
from pathlib import Path

Scalar = bool | int | float | str
Value = Scalar | list[Scalar]

# Value types of the format (ggml/docs/gguf.md) by their number; 8 is a string, 9 an array.
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


def read(path: Path, keys: Collection[str]) -> dict[str, Value]:
    """The values of those `keys` that are there. OSError where it cannot be read, ValueError where it is no GGUF."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ValueError(f"{path} is no GGUF file")
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            try:
                return _Cursor(data).values(set(keys))
            except (struct.error, KeyError) as error:
                raise ValueError(f"{path} breaks off or is damaged in its header") from error


class _Cursor:
    """A place in the file, moved on by whatever is read."""

    def __init__(self, data: mmap) -> None:
        self._data = data
        self._at = 4

    def values(self, wanted: set[str]) -> dict[str, Value]:
        if (version := self._number("<I")) not in (2, 3):
            raise ValueError(f"GGUF version {version} is not known; 2 and 3 are")
        self._number("<Q")  # how many tensors
        found: dict[str, Value] = {}
        for _ in range(int(self._number("<Q"))):
            key, kind = self._string(), int(self._number("<I"))
            if key not in wanted:
                self._skip(kind)
                continue
            found[key] = self._array() if kind == _ARRAY else self._scalar(kind)
            if len(found) == len(wanted):
                break
        return found

    def _scalar(self, kind: int) -> Scalar:
        return self._string() if kind == _STRING else self._number(_NUMBERS[kind])

    def _array(self) -> list[Scalar]:
        kind, length = int(self._number("<I")), int(self._number("<Q"))
        return [self._scalar(kind) for _ in range(length)]

    def _skip(self, kind: int) -> None:
        if kind == _STRING:
            self._at += 8 + struct.unpack_from("<Q", self._data, self._at)[0]
        elif kind == _ARRAY:
            kind, length = int(self._number("<I")), int(self._number("<Q"))
            if kind in _NUMBERS:
                self._at += length * struct.calcsize(_NUMBERS[kind])
            else:
                for _ in range(length):
                    self._skip(kind)
        else:
            self._at += struct.calcsize(_NUMBERS[kind])

    def _string(self) -> str:
        length = int(self._number("<Q"))
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise struct.error("a string reaches beyond the end")
        return self._data[start : self._at].decode("utf-8", "replace")

    def _number(self, form: str) -> int | float:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        number: int | float = value
        return number
