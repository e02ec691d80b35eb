"""Model files to and from machines without a network, by way of a disk.

A second name for a file where the disk allows it, else a copy.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from embedstack.deploy.console import Report
from embedstack.deploy.errors import InvalidModel, WrongBytes
from embedstack.deploy.hub import cache, fetch, refusal
from embedstack.deploy.hub.cache import Slot, slot
from embedstack.deploy.hub.fetch import on_disk
from embedstack.deploy.hub.source import Source, wanted
from embedstack.deploy.hub.verify import CHUNK, sha256, verify
from embedstack.models.catalog import Catalog
from embedstack.models.model import Model, ModelFile


def duplicate(origin: Path, target: Path, report: Report) -> bool:
    """Make `target` the same file as `origin`; whether its bytes were copied. OSError; NotEnoughSpace."""
    origin = origin.resolve()
    if target.resolve() == origin:
        return False
    target.unlink(missing_ok=True)
    try:
        os.link(origin, target)
    except OSError:  # another disk, a file system without hard links, or another user's file
        refusal.ensure_space(target.parent, origin.stat().st_size, refusal.TARGET)
        _copy(origin, target, report)
        return True
    return False


def _copy(origin: Path, target: Path, report: Report) -> None:
    partial, size = target.with_name(f".{target.name}.partial"), origin.stat().st_size
    try:
        with origin.open("rb") as read, partial.open("wb") as written, report.transfer(target.name, size) as transfer:
            while chunk := read.read(CHUNK):
                written.write(chunk)
                transfer.at(written.tell())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class Imported:
    """A file that lies where a download of it would."""

    model: Model
    file: ModelFile
    path: Path
    already: bool


@dataclass(frozen=True)
class Exported:
    """A verified GGUF and its catalogue entry, in a folder to be carried away."""

    gguf: Path
    entry: Path


def identify(path: Path, catalog: Catalog, report: Report) -> tuple[Model, ModelFile]:
    """Which file of the catalogue this is, by its sha256 alone. WrongBytes if no file matches."""
    digest = sha256(path, report)
    known = [(model, file) for model in catalog.models.values() for file in model.files if file.selectable]
    for model, file in known:
        if file.sha256 == digest:
            cache.remember(path, digest)
            return model, file
    size = path.stat().st_size
    alike = [file.file for _, file in known if file.bytes == size]
    damaged = f" It is as long as {alike[0]}, so this copy may be damaged: copy it again." if alike else ""
    raise WrongBytes(
        f"{path} is not a file of the catalogue: {size} bytes with sha256 {digest}.{damaged}",
        "A GGUF of your own goes into a catalogue of your own (`model.catalog`), with this size and sha256, and "
        "without a repository; then the same command takes it.",
    )


def import_file(path: Path, catalog: Catalog, source: Source, report: Report) -> Imported:
    """Put a GGUF where a download would have put it. WrongBytes, NotEnoughSpace, FolderNotUsable."""
    model, file = identify(path, catalog, report)
    if file.repository is None:
        return _import_own(path, model, file, report)
    place = slot(source.folder, wanted(file))
    with refusal.writing(source.folder, refusal.CACHE):
        if (there := _whole(place, file, report)) is not None:
            return Imported(model, file, there, already=True)
        place.create()
        there = _take(path, place, file, report)
    return Imported(model, file, there, already=False)


def export(model: Model, file: ModelFile, target: Path, source: Source, report: Report) -> Exported:
    """Put a file of this disk, verified, into the folder `target` with what the catalogue says of it.

    InvalidModel where it is not on this disk; WrongBytes, NotEnoughSpace, FolderNotUsable.
    """
    if (here := on_disk(file, source)) is None:
        raise InvalidModel(
            f"{file.file} is not on this disk.",
            f"`embedstack model pull {model.id}` fetches it where there is a network.",
        )
    verify(here, file, report)
    gguf, entry = target / file.file, target / f"{file.file}.yaml"
    with refusal.writing(target, refusal.TARGET):
        target.mkdir(parents=True, exist_ok=True)
        _put(here, gguf, file, report)
        entry.write_text(_entry(model, file), encoding="utf-8")
    return Exported(gguf, entry)


def _take(path: Path, place: Slot, file: ModelFile, report: Report) -> Path:
    from embedstack.deploy.hub import remote

    with remote.WeakFileLock(place.lock):
        _put(path, place.partial, file, report)
        there = place.place()
        cache.remember(there, str(file.sha256))
    return there


def _import_own(path: Path, model: Model, file: ModelFile, report: Report) -> Imported:
    there = fetch.imported_path(file)
    with refusal.writing(there.parent, refusal.HOME):
        if there.exists() and _right(there, file, report):
            return Imported(model, file, there, already=True)
        there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _put(path, there, file, report)
    return Imported(model, file, there, already=False)


def _whole(place: Slot, file: ModelFile, report: Report) -> Path | None:
    if (there := place.found()) is None:
        return None
    if not _right(there, file, report):
        place.forget()
        return None
    return place.point() if there == place.blob else there


def _right(path: Path, file: ModelFile, report: Report) -> bool:
    try:
        verify(path, file, report)
    except WrongBytes:
        return False
    return True


def _put(path: Path, target: Path, file: ModelFile, report: Report) -> None:
    """The same file at `target`; a copy is read again, since what a disk has kept is not always what was written."""
    if not duplicate(path, target, report):
        return
    try:
        verify(target, file, report, again=True)
    except WrongBytes:
        target.unlink()
        raise


def _entry(model: Model, file: ModelFile) -> str:
    return yaml.safe_dump({"model": model.id, **msgspec.to_builtins(file)}, sort_keys=False, allow_unicode=True)
