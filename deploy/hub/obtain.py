"""One file, whole and verified: from the cache where it is there, else from the Hub."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.errors import WrongBytes
from embedstack.deploy.hub import refusal, remembered, space
from embedstack.deploy.hub.cache import Slot, slot
from embedstack.deploy.hub.patience import Patience
from embedstack.deploy.hub.source import Source
from embedstack.deploy.hub.verify import check, read_through
from embedstack.deploy.hub.wanted import Wanted


@dataclass(frozen=True)
class Obtained:
    """A file in the Hub's cache; `already` where nothing was fetched."""

    path: Path
    already: bool


def obtain(wanted: Wanted, source: Source, report: Report, wait: Patience) -> Obtained:
    """HubUnreachable, HubRefused, WrongBytes, NotEnoughSpace, FolderNotUsable."""
    place = slot(source.folder, wanted)
    with space.writing(source.folder, space.CACHE):
        if (path := _cached(place, wanted, report)) is not None:
            return Obtained(path, already=True)
        if source.offline:
            raise refusal.offline(wanted, source)
        place.create()
        return _fetched(place, wanted, source, report, wait)


def _cached(place: Slot, wanted: Wanted, report: Report) -> Path | None:
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


def _fetched(place: Slot, wanted: Wanted, source: Source, report: Report, wait: Patience) -> Obtained:
    # Imported here: huggingface_hub takes 0.3 s, and a second `up` needs nothing of it.
    from embedstack.deploy.hub import library
    from embedstack.deploy.hub.download import download

    with library.WeakFileLock(place.lock):  # the library's own lock: no two programs fetch one file at once
        if (path := _cached(place, wanted, report)) is not None:
            return Obtained(path, already=True)
        download(wanted, place, source, report, wait)
        try:
            read_through(place.partial, wanted.bytes, wanted.digest, report)
        except WrongBytes as error:
            place.partial.unlink()
            raise WrongBytes(f"What {source.url} sent is wrong: {error.message} It was removed.", _ADVICE) from error
        path = place.place()
        remembered.remember(path, wanted.digest)
        return Obtained(path, already=False)


_ADVICE = (
    "Run the same command again. If it comes out the same, a mirror or proxy on the way changes files: take another "
    "--endpoint (HF_ENDPOINT), or `embedstack model import FILE` with one from elsewhere."
)
