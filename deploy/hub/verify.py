"""Whether a file is the one that the catalogue names: its length, then one pass over its bytes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.errors import FolderNotUsable, InvalidModel, WrongBytes
from embedstack.deploy.hub import cache
from embedstack.deploy.hub.source import SHA256_DIGITS
from embedstack.models.model import ModelFile

CHUNK = 2**20


@dataclass(frozen=True)
class Verified:
    """A file that is what it should be; `read` where its bytes were read for it just now."""

    path: Path
    bytes: int
    sha256: str
    read: bool


def verify(path: Path, file: ModelFile, report: Report, *, again: bool = False) -> Verified:
    """WrongBytes unless `path` is byte for byte the catalogue's `file`. `again`: read it, whatever is remembered."""
    if file.bytes is None or file.sha256 is None:
        raise InvalidModel(f"{file.file} cannot be verified: {file.reason}.")
    try:
        read = check(path, file.bytes, file.sha256, report, again=again)
    except WrongBytes as error:
        raise WrongBytes(error.message, _whole_again(file)) from error
    return Verified(path, file.bytes, file.sha256, read)


def _whole_again(file: ModelFile) -> str:
    if not file.names:
        return f"`embedstack model import {file.file}` takes a whole copy of it."
    return (
        f"Copy or fetch it again: `embedstack model pull {file.names[0]}` replaces a wrong file in the Hub's cache by "
        "the right one."
    )


def check(path: Path, size: int, digest: str, report: Report, *, again: bool = False) -> bool:
    """Whether the file had to be read. WrongBytes unless it has `size` bytes and that sha256 (or git id)."""
    if not again and _size(path) == size and cache.recall(path) == digest:
        return False
    try:
        read_through(path, size, digest, report)
    except WrongBytes:
        cache.forget(path)  # a disk that decays leaves size and time as they were
        raise
    cache.remember(path, digest)
    return True


def read_through(path: Path, size: int, digest: str, report: Report) -> None:
    """The same for a file that lies where it will not stay: nothing is remembered of it. WrongBytes."""
    if (there := _size(path)) != size:
        raise WrongBytes(f"{path} has {there} bytes; {size} are expected.")
    found = sha256(path, report) if len(digest) == SHA256_DIGITS else git_id(path)
    if found != digest:
        raise WrongBytes(f"{path} has the digest {found}; expected is {digest}.")


def sha256(path: Path, report: Report) -> str:
    """The sha256 in hex, in one pass, telling how far it is."""
    digest, done, buffer = hashlib.sha256(), 0, bytearray(CHUNK)
    try:
        with path.open("rb", buffering=0) as file, report.transfer(f"sha256 {path.name}", _size(path)) as transfer:
            while got := file.readinto(buffer):
                digest.update(memoryview(buffer)[:got])
                done += got
                transfer.at(done)
    except OSError as error:
        raise FolderNotUsable(f"{path} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()


def git_id(path: Path) -> str:
    """git's id of the file as a blob: what the Hub has for files too small for LFS. They fit into memory."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise FolderNotUsable(f"{path} cannot be read: {error.strerror}.") from error
