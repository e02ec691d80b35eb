"""The GGUF that the catalogue names, on this disk and verified."""

from dataclasses import dataclass
from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.hub import own
from embedstack.deploy.hub.cache import slot
from embedstack.deploy.hub.obtain import obtain
from embedstack.deploy.hub.patience import Patience
from embedstack.deploy.hub.source import Source
from embedstack.deploy.hub.wanted import wanted
from embedstack.models.model import ModelFile


@dataclass(frozen=True)
class Fetched:
    """A verified GGUF; `already` where nothing had to be fetched."""

    path: Path
    sha256: str
    bytes: int
    already: bool


def fetch(file: ModelFile, source: Source, report: Report, wait: Patience | None = None) -> Fetched:
    """Fetch and verify a file, or find it on the disk. It goes on where an earlier call was cut.

    HubUnreachable, HubRefused, WrongBytes, NotEnoughSpace, FolderNotUsable, InvalidModel.
    """
    if file.repository is None:
        held = own.held(file, report)
        return Fetched(held.path, held.sha256, held.bytes, already=True)
    want = wanted(file)
    got = obtain(want, source, report, wait or Patience())
    return Fetched(got.path, want.digest, want.bytes, got.already)


def on_disk(file: ModelFile, source: Source) -> Path | None:
    """Where the file lies, by its place and size alone."""
    if not file.selectable:
        return None
    if file.repository is None:
        return own.path(file) if own.path(file).exists() else None
    return slot(source.folder, wanted(file)).found()
