"""What a GGUF says of its tensors, and how many bytes they take. Pure."""

from dataclasses import dataclass
from math import prod

from embedstack.models.gguf.cursor import UINT32, UINT64, Cursor

MOST_DIMENSIONS = 4  # GGML_MAX_DIMS

# By tensor type: weights a block, and bytes a block (ggml.h, ggml-common.h). Types that were withdrawn are left out.
_BLOCKS = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40)},
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292)},
    **{16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82)},
    **{23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2)},
    **{34: (256, 54), 35: (256, 66), 39: (32, 17)},
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """`shape` as the file has it, the row's length first; `kind` is ggml's number of its type; `offset` in the data."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def bytes(self) -> int | None:
        """None for a type that is not known here. ValueError where a row is not a whole number of blocks."""
        if self.kind not in _BLOCKS:
            return None
        weights, size = _BLOCKS[self.kind]
        if self.shape and self.shape[0] % weights:
            raise ValueError(f"a row of {self.name} has {self.shape[0]} weights, which is not a multiple of {weights}")
        return prod(self.shape) // weights * size


def read(cursor: Cursor, count: int) -> tuple[Tensor, ...]:
    """The `count` tensors that stand behind the keys. ValueError where they are damaged."""
    return tuple(_tensor(cursor) for _ in range(count))


def _tensor(cursor: Cursor) -> Tensor:
    name = cursor.string()
    if (dimensions := int(cursor.number(UINT32))) > MOST_DIMENSIONS:
        raise ValueError(f"the tensor {name[:64]!r} has {dimensions} dimensions")
    shape = tuple(int(cursor.number(UINT64)) for _ in range(dimensions))
    return Tensor(name, shape, int(cursor.number(UINT32)), int(cursor.number(UINT64)))


def length(tensors: tuple[Tensor, ...], alignment: int) -> int | None:
    """Bytes from the first tensor to the last one's end, without padding; None where a type is not known.

    ValueError where one does not begin where the one before it ends, which llama.cpp refuses too.
    """
    end = 0
    for tensor in tensors:
        start = align(end, alignment)
        if tensor.offset != start:
            raise ValueError(f"the tensor {tensor.name[:64]!r} lies at {tensor.offset}, where {start} was due")
        if (size := tensor.bytes) is None:
            return None
        end = start + size
    return end


def align(at: int, alignment: int) -> int:
    """The next multiple of `alignment`."""
    return -(-at // alignment) * alignment
