"""The GGUF that the catalogue names, on this disk and verified: from the cache where it is there, else from the Hub;
files of a catalogue of the user's own, which are in no repository, lie beside the stacks by their digest.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from embedstack.deploy import places
from embedstack.deploy.console import Report
from embedstack.deploy.errors import InvalidModel, WrongBytes
from embedstack.deploy.hub import cache, refusal
from embedstack.deploy.hub.cache import Slot, slot
from embedstack.deploy.hub.patience import HubPatience
from embedstack.deploy.hub.source import Source, WantedFile, wanted
from embedstack.deploy.hub.verify import Verified, check, read_through, verify
from embedstack.models.model import ModelFile


@dataclass(frozen=True)
class Obtained:
    """A file in the Hub's cache; `already` where nothing was fetched."""

    path: Path
    already: bool


def obtain(wanted: WantedFile, source: Source, report: Report, wait: HubPatience) -> Obtained:
    """HubUnreachable, HubRefused, WrongBytes, NotEnoughSpace, FolderNotUsable."""
    place = slot(source.folder, wanted)
    with refusal.writing(source.folder, refusal.CACHE):
        if (path := _cached(place, wanted, report)) is not None:
            return Obtained(path, already=True)
        if source.offline:
            raise refusal.offline(wanted, source)
        place.create()
        return _fetched(place, wanted, source, report, wait)


def _cached(place: Slot, wanted: WantedFile, report: Report) -> Path | None:
    """The cached file, verified. One that is wrong is removed: the library checks no more than its size."""
    if (path := place.found()) is None:
        return None
    try:
        check(path, wanted.bytes, wanted.digest, report)
    except WrongBytes as error:
        place.forget()
        report.say_plain("[yellow]![/]", f"{error.message} It was removed.")
        return None
    if path == place.blob:
        with suppress(OSError):  # a cache that others keep, and this user may only read
            return place.point()
    return path


def _fetched(place: Slot, wanted: WantedFile, source: Source, report: Report, wait: HubPatience) -> Obtained:
    # Imported here: huggingface_hub takes 0.3 s, and a second `up` needs nothing of it.
    from embedstack.deploy.hub import remote
    from embedstack.deploy.hub.persist import download

    with remote.WeakFileLock(place.lock):  # the library's own lock: no two programs fetch one file at once
        if (path := _cached(place, wanted, report)) is not None:
            return Obtained(path, already=True)
        download(wanted, place, source, report, wait)
        try:
            read_through(place.partial, wanted.bytes, wanted.digest, report)
        except WrongBytes as error:
            place.partial.unlink()
            raise WrongBytes(f"What {source.url} sent is wrong: {error.message} It was removed.", _ADVICE) from error
        path = place.place()
        cache.remember(path, wanted.digest)
        return Obtained(path, already=False)


_ADVICE = (
    "Run the same command again. If it comes out the same, a mirror or proxy on the way changes files: take another "
    "--endpoint (HF_ENDPOINT), or `embedstack model import FILE` with one from elsewhere."
)


def imported_path(file: ModelFile) -> Path:
    return places.home() / "models" / str(file.sha256) / file.file


def held_by_person(file: ModelFile, report: Report) -> Verified:
    """InvalidModel where it was never imported; WrongBytes."""
    there = imported_path(file)
    if not there.exists():
        raise InvalidModel(
            f"{file.file} is in no repository, and not at {there}.",
            f"`embedstack model import {file.file}` puts it there.",
        )
    return verify(there, file, report)


@dataclass(frozen=True)
class Fetched:
    """A verified GGUF; `already` where nothing had to be fetched."""

    path: Path
    sha256: str
    bytes: int
    already: bool


def fetch(file: ModelFile, source: Source, report: Report, wait: HubPatience | None = None) -> Fetched:
    """Fetch and verify a file, or find it on the disk. It goes on where an earlier call was cut.

    HubUnreachable, HubRefused, WrongBytes, NotEnoughSpace, FolderNotUsable, InvalidModel.
    """
    if file.repository is None:
        held = held_by_person(file, report)
        return Fetched(held.path, held.sha256, held.bytes, already=True)
    want = wanted(file)
    got = obtain(want, source, report, wait or HubPatience())
    return Fetched(got.path, want.digest, want.bytes, got.already)


def on_disk(file: ModelFile, source: Source) -> Path | None:
    """Where the file lies, by its place and size alone."""
    if not file.selectable:
        return None
    if file.repository is None:
        return imported_path(file) if imported_path(file).exists() else None
    return slot(source.folder, wanted(file)).found()
