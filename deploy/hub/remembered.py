"""Digests of files that were verified before, so that 2.5 GB are not read at each `up`.

A file counts as the one that was hashed while its size, time of change (ns) and inode are the same. That is safe
enough: it guards against bad transfers and other programs' mistakes, and whoever could fake all three could as well
write here, or to the model's file in Ollama. A disk that decays unseen is what `embedstack model verify` is for: it
reads again.
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from embedstack.deploy import places
from embedstack.readers import json_file


class Entry(msgspec.Struct, frozen=True):
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


def _others(path: Path) -> dict[str, Entry]:
    return {name: entry for name, entry in _read().items() if name != str(path) and Path(name).exists()}


def _entry(path: Path, digest: str) -> Entry:
    stat = path.stat()
    return Entry(stat.st_size, stat.st_mtime_ns, stat.st_ino, digest)


def _file() -> Path:
    return places.home() / "verified.json"


def _read() -> dict[str, Entry]:
    try:
        return json_file.read_again(_file(), dict[str, Entry], "files are hashed again") or {}
    except OSError:
        return {}


def _write(entries: dict[str, Entry]) -> None:
    _file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = _file().with_suffix(f".{os.getpid()}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(entries))
    partial.replace(_file())
