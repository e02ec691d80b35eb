"""Files that a test's Hub serves: any size, made as they are sent, no two places alike."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

BLOCK = 2**18


@dataclass(frozen=True)
class Content:
    """`size` bytes, the same for the same seed; `flipped` is a byte that is wrong on the way."""

    size: int
    seed: int = 0
    flipped: int | None = None

    @cached_property
    def _noise(self) -> bytes:
        return random.Random(self.seed).randbytes(BLOCK)  # noqa: S311 -- to be the same every time

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in Content(self.size, self.seed).pieces(0, self.size):
            digest.update(piece)
        return digest.hexdigest()

    def whole(self) -> bytes:
        return b"".join(self.pieces(0, self.size))

    def pieces(self, begin: int, end: int) -> Iterator[bytes]:
        """The bytes of a range, a block at a time."""
        while begin < end:
            number, skip = divmod(begin, BLOCK)
            piece = self._block(number)[skip : skip + end - begin]
            yield piece
            begin += len(piece)

    def _block(self, number: int) -> bytes:
        block = bytearray(number.to_bytes(8, "big") + self._noise[8:])
        if self.flipped is not None and self.flipped // BLOCK == number:
            block[self.flipped % BLOCK] ^= 1
        return bytes(block)


@dataclass(frozen=True)
class OnDisk(Content):
    """A real file, as it lies on the disk."""

    path: Path = Path()

    @cached_property
    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def pieces(self, begin: int, end: int) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(begin)
            while begin < end and (piece := file.read(min(BLOCK, end - begin))):
                yield piece
                begin += len(piece)


def on_disk(path: Path) -> OnDisk:
    return OnDisk(path.stat().st_size, path=path)


@dataclass(frozen=True)
class Small:
    """A file that the Hub keeps in git itself."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def git_id(self) -> str:
        return hashlib.sha1(b"blob %d\0" % self.size + self.data, usedforsecurity=False).hexdigest()
