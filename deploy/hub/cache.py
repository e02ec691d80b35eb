"""Where one file lies in the Hub's cache: `models--OWNER--NAME/{blobs/DIGEST,snapshots/COMMIT/FILE}`.

The layout is huggingface_hub's, so that its cache is reused, and other programs find there what was fetched here.

Digests of files that were verified before, so that 2.5 GB are not read at each `up`.

A file counts as the one that was hashed while its size, time of change (ns) and inode are the same. That is safe
enough: it guards against bad transfers and other programs' mistakes, and anyone who could fake all three could as well
write here, or to the model's file in Ollama. A disk that decays unseen is what `embedstack model verify` is for: it
reads again.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from embedstack.deploy import places
from embedstack.deploy.hub.source import WantedFile
from embedstack.host import files
from embedstack.readers import json_file


@dataclass(frozen=True)
class Slot:
    """The paths of one file.

    Attributes:
        partial: what has come so far. huggingface_hub up to 1.x has the same name for it; 2.x throws its own away when
            a download fails (`_download_to_tmp_and_move`), which is why the toolkit downloads by itself.
    """

    cache: Path
    blob: Path
    pointer: Path
    partial: Path
    lock: Path
    bytes: int

    def found(self) -> Path | None:
        """The file, if it is there and of the right size: as this commit's, else as the same one of another commit."""
        for path in (self.pointer, self.blob):
            with suppress(OSError):  # not there, or not for this user
                if path.is_file() and path.stat().st_size == self.bytes:
                    return path
        return None

    def so_far(self) -> int:
        """Bytes of the partial file."""
        try:
            return self.partial.stat().st_size
        except FileNotFoundError:
            return 0

    def place(self) -> Path:
        """Turn the partial file, which is whole and verified, into the cached one."""
        self.partial.replace(self.blob)
        return self.point()

    def point(self) -> Path:
        """Make the blob this commit's file."""
        self.pointer.parent.mkdir(parents=True, exist_ok=True)
        self.pointer.unlink(missing_ok=True)
        try:
            self.pointer.symlink_to(os.path.relpath(self.blob, self.pointer.parent))
        except OSError:  # a file system without symbolic links: there the library, too, keeps the file itself
            self.blob.replace(self.pointer)
        return self.pointer

    def create(self) -> None:
        """The folders. OSError where this user may not."""
        for path in (self.blob, self.pointer, self.lock):
            path.parent.mkdir(parents=True, exist_ok=True)

    def forget(self) -> None:
        """Remove pointer and blob, and the store of blobs that repositories share, if this one is in it."""
        for path in (self.pointer.resolve(), self.blob.resolve(), self.blob, self.pointer):
            if path.is_relative_to(self.cache.resolve()) or path in (self.blob, self.pointer):
                path.unlink(missing_ok=True)


def slot(cache: Path, wanted: WantedFile) -> Slot:
    repository = "--".join(("models", *wanted.repository.split("/")))
    blobs, snapshot = cache / repository / "blobs", cache / repository / "snapshots" / wanted.revision
    return Slot(
        cache=cache,
        blob=blobs / wanted.digest,
        pointer=snapshot / wanted.name,
        partial=blobs / f"{wanted.digest}.incomplete",
        lock=cache / ".locks" / repository / f"{wanted.digest}.lock",
        bytes=wanted.bytes,
    )


class HashedFile(msgspec.Struct, frozen=True):
    """A file as it was when its digest was computed."""

    size: int
    mtime_ns: int
    inode: int
    digest: str


def recall(path: Path) -> str | None:
    """The digest, if the file is still the one that was hashed."""
    real = path.resolve()
    entry = _read().get(str(real))
    return entry.digest if entry is not None and entry == _entry(real, entry.digest) else None


def remember(path: Path, digest: str) -> None:
    """Keep a digest. Where it cannot be kept, the file is hashed again next time, and nothing is wrong."""
    real = path.resolve()
    with suppress(OSError):
        _write({**_others(real), str(real): _entry(real, digest)})


def forget(path: Path) -> None:
    """What is known of a file counts no longer."""
    with suppress(OSError):
        _write(_others(path.resolve()))


def _others(path: Path) -> dict[str, HashedFile]:
    return {name: entry for name, entry in _read().items() if name != str(path) and Path(name).exists()}


def _entry(path: Path, digest: str) -> HashedFile:
    stat = path.stat()
    return HashedFile(stat.st_size, stat.st_mtime_ns, stat.st_ino, digest)


def _file() -> Path:
    return places.home() / "verified.json"


def _read() -> dict[str, HashedFile]:
    try:
        return json_file.read_again(_file(), dict[str, HashedFile], "files are hashed again") or {}
    except OSError:
        return {}


def _write(entries: dict[str, HashedFile]) -> None:
    files.write(_file(), msgspec.json.encode(entries))
