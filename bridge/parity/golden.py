"""The golden vectors of engines that passed, kept on disk by fingerprint: the next one must make the same."""

import io
import logging
import re
import zlib
from pathlib import Path

import numpy as np

from embedstack.host import files
from embedstack.readers import content
from embedstack.readers.content import DamagedFile
from embedstack.vectors.mrl import Vectors

log = logging.getLogger(__name__)

MOST_FILES = 64
_NAME = re.compile("[0-9a-f]{16}")
_CRC = 4  # bytes of checksum before the array


class GoldenStore:
    """`folder` None keeps nothing. No method raises: what cannot be read was never there, and a folder that cannot be
    written to is said once.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder / "golden"
        self._complained = False

    def load(self, fingerprint: str) -> Vectors | None:
        """Unit vectors (n, d) float32, or None. A damaged file is set aside."""
        path = self._path(fingerprint)
        if path is None:
            return None
        try:
            return _unpacked(path, content.read(path))
        except FileNotFoundError:
            return None
        except DamagedFile as error:
            content.set_aside(error, "the next engine that passes makes it again")
        except OSError as error:
            log.warning("%s cannot be read (%s) and counts as absent", path, error.strerror)
        return None

    def save(self, fingerprint: str, vectors: Vectors) -> None:
        path = self._path(fingerprint)
        if path is None:
            return
        try:
            files.write(path, _packed(vectors))
            for old in sorted(path.parent.glob("*.npy"), key=lambda file: file.stat().st_mtime)[:-MOST_FILES]:
                old.unlink()
        except OSError as error:
            self._complain(error)

    def forget(self, fingerprint: str) -> None:
        path = self._path(fingerprint)
        if path is not None:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self._complain(error)

    def _path(self, fingerprint: str) -> Path | None:
        if self._folder is None or not _NAME.fullmatch(fingerprint):
            return None
        return self._folder / f"{fingerprint}.npy"

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            log.warning("golden vectors are not kept from one start to the next: %s", error)
        self._complained = True


def _packed(vectors: Vectors) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, vectors.astype("<f4"), allow_pickle=False)
    data = buffer.getvalue()
    return zlib.crc32(data).to_bytes(_CRC, "little") + data


def _unpacked(path: Path, data: bytes) -> Vectors:
    if len(data) <= _CRC:
        raise DamagedFile(path, "it is empty, or breaks off")
    if zlib.crc32(data[_CRC:]) != int.from_bytes(data[:_CRC], "little"):
        raise DamagedFile(path, "its checksum is wrong")
    try:
        vectors: Vectors = np.load(io.BytesIO(data[_CRC:]), allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise DamagedFile(path, f"not an array of NumPy: {error}") from error
    if vectors.ndim != 2 or vectors.dtype != np.dtype("<f4"):
        raise DamagedFile(path, f"not rows of 32-bit numbers but {vectors.ndim}-dimensional {vectors.dtype}")
    return vectors.astype(np.float32)
