"""The header of a GGUF file, key by key. Pure but for the file.

The `gguf` package's own reader makes a NumPy view of every string, which takes minutes for Qwen's vocabulary
(docs/decisions/0002-own-reader-of-gguf-headers.md). The tensors' data are never touched.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path

from embedstack.models.gguf import tensors as gguf_tensors
from embedstack.models.gguf.cursor import ARRAY, UINT32, Cursor, Scalar, Skipped, Value
from embedstack.models.gguf.tensors import Tensor

__all__ = ["Header", "Scalar", "Tensor", "Value", "examine", "file_type", "read"]

FILE_TYPE = "general.file_type"
ALIGNMENT, EOS_ID, TOKENS = "general.alignment", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.tokens"
MOST_KEYS = MOST_TENSORS = 2**16


@dataclass(frozen=True)
class Header:
    """What stands before a GGUF's data.

    Attributes:
        values: of the keys that were asked for and are there; an array's value is not read.
        lengths: of every array, by key.
        eos: the token that `tokenizer.ggml.eos_token_id` means, None where there is none.
        data: where the tensors' data begin in the file.
        end: where they end, padding not counted; None where a tensor's type is not known here.
        bytes: the file's length.
    """

    values: dict[str, Scalar]
    lengths: dict[str, int]
    eos: str | None
    tensors: tuple[Tensor, ...]
    alignment: int
    data: int
    end: int | None
    bytes: int


def read(path: Path, keys: Collection[str]) -> dict[str, Value]:
    """The values of those `keys` that are there. OSError where it cannot be read, ValueError where it is not a GGUF."""
    with _opened(path) as data:
        return _Reader(data).read(set(keys))


def examine(path: Path, keys: Collection[str]) -> Header:
    """The whole header, with the values of `keys`. OSError where it cannot be read, ValueError where it is damaged."""
    with _opened(path) as data:
        return _Reader(data).examine({*keys, ALIGNMENT, EOS_ID})


def file_type(kind: object) -> str | None:
    """`Q4_K_M`, `F16`, …: a value of general.file_type by its name in llama.cpp; None for what is none."""
    from gguf import LlamaFileType  # 2 MB and 40 ms that a bridge before another engine never needs

    if not isinstance(kind, int) or kind not in set(LlamaFileType):
        return None
    return LlamaFileType(kind).name.removeprefix("MOSTLY_").removeprefix("ALL_")


@contextmanager
def _opened(path: Path) -> Iterator[mmap]:
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ValueError(f"{path} is not a GGUF file")
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            try:
                yield data
            except ValueError as error:
                raise ValueError(f"{path} breaks off or is damaged in its header: {error}") from error


@dataclass
class _Keys:
    """What was found on the way through the keys."""

    values: dict[str, Scalar] = field(default_factory=dict)
    arrays: dict[str, Skipped] = field(default_factory=dict)


class _Reader:
    """One pass over a header."""

    def __init__(self, data: mmap) -> None:
        self._data = data
        self._cursor = Cursor(data, at=4)
        if (version := self._cursor.number(UINT32)) not in (2, 3):
            raise ValueError(f"GGUF version {version} is not known; 2 and 3 are")
        self._tensors = self._cursor.count(MOST_TENSORS, "tensors")
        self._keys = self._cursor.count(MOST_KEYS, "keys")

    def read(self, wanted: set[str]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key, kind in self._each_key():
            if key in wanted:
                found[key] = self._cursor.array() if kind == ARRAY else self._cursor.scalar(kind)
                if len(found) == len(wanted):
                    break
            else:
                self._pass(kind)
        return found

    def examine(self, wanted: set[str]) -> Header:
        keys = self._all_keys(wanted)
        tensors = gguf_tensors.read(self._cursor, self._tensors)
        alignment = _alignment(keys.values)
        data = gguf_tensors.align(self._cursor.at, alignment)
        length = gguf_tensors.length(tensors, alignment)
        return Header(
            values=keys.values,
            lengths={key: array.length for key, array in keys.arrays.items()},
            eos=self._token(keys),
            tensors=tensors,
            alignment=alignment,
            data=data,
            end=None if length is None else data + length,
            bytes=len(self._data),
        )

    def _all_keys(self, wanted: set[str]) -> _Keys:
        found, seen = _Keys(), set()
        for key, kind in self._each_key():
            if key in seen:
                raise ValueError(f"the key {key[:64]!r} stands there twice")
            seen.add(key)
            if kind == ARRAY:
                found.arrays[key] = self._cursor.skip_array()
            elif key in wanted:
                found.values[key] = self._cursor.scalar(kind)
            else:
                self._cursor.skip(kind)
        return found

    def _each_key(self) -> Iterator[tuple[str, int]]:
        for _ in range(self._keys):
            yield self._cursor.string(), int(self._cursor.number(UINT32))

    def _pass(self, kind: int) -> None:
        if kind == ARRAY:
            self._cursor.skip_array()
        else:
            self._cursor.skip(kind)

    def _token(self, keys: _Keys) -> str | None:
        index, tokens = keys.values.get(EOS_ID), keys.arrays.get(TOKENS)
        return tokens.string(self._data, index) if tokens and isinstance(index, int) else None


def _alignment(values: dict[str, Scalar]) -> int:
    """32 unless the file says otherwise; llama.cpp refuses what is not a power of two."""
    alignment = values.get(ALIGNMENT, 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise ValueError(f"an alignment of {str(alignment)[:64]!r}, which is not a power of two")
    return alignment
