"""One vector as it lies on disk. Pure."""

import struct
import zlib

import numpy as np

from embedstack.bridge.checks import UNIT
from embedstack.bridge.request import Row
from embedstack.vectors.mrl import LITTLE_ENDIAN_F32

_HEAD = struct.Struct("<III")  # checksum of what follows it, dimensions, tokens


def pack(row: Row) -> bytes:
    """Exact: the float32 values come back bit for bit."""
    rest = struct.pack("<II", row.vector.shape[0], row.tokens)
    rest += row.vector.astype(LITTLE_ENDIAN_F32, copy=False).tobytes()
    return zlib.crc32(rest).to_bytes(4, "little") + rest


def unpack(data: bytes, dimensions: int) -> Row | None:
    """None for anything but a whole, unharmed unit vector of so many dimensions."""
    if not isinstance(data, bytes) or len(data) != _HEAD.size + 4 * dimensions:
        return None
    checksum, said, tokens = _HEAD.unpack_from(data)
    if said != dimensions or zlib.crc32(memoryview(data)[4:]) != checksum:
        return None
    vector = np.frombuffer(data, LITTLE_ENDIAN_F32, offset=_HEAD.size)
    if not abs(float(np.dot(vector, vector)) - 1) <= 2 * UNIT:
        return None
    return Row(vector, tokens)
