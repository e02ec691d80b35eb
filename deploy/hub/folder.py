"""The safetensors folder of a model, for vLLM: every file of it that an engine reads, verified."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from embedstack.deploy import places
from embedstack.deploy.console import Report
from embedstack.deploy.hub import refusal
from embedstack.deploy.hub.cache import slot
from embedstack.deploy.hub.fetch import obtain
from embedstack.deploy.hub.patience import HubPatience
from embedstack.deploy.hub.source import Source, WantedFile
from embedstack.host import files as host_files
from embedstack.models.model import Safetensors
from embedstack.readers import json_file

_READ = (".safetensors", ".json", ".txt", ".jinja")


@dataclass(frozen=True)
class FetchedFolder:
    """A folder at its pinned commit.

    Attributes:
        note: against what it was verified.
    """

    path: Path
    repository: str
    revision: str
    files: int
    bytes: int
    already: bool
    note: str


def fetch_folder(
    weights: Safetensors, source: Source, report: Report, wait: HubPatience | None = None
) -> FetchedFolder:
    """Fetch and verify the folder, or find it on the disk; each file goes on where it was cut.

    HubUnreachable, HubRefused, WrongBytes, NotEnoughSpace, FolderNotUsable.
    """
    patience = wait or HubPatience()
    files = _files(weights, source, report, patience)
    missing = sum(file.bytes for file in files if slot(source.folder, file).found() is None)
    if missing and not source.offline:
        refusal.ensure_space(source.folder, missing, refusal.CACHE)
    got = [obtain(file, source, report, patience) for file in files]
    root = slot(source.folder, files[0])
    return FetchedFolder(
        path=root.pointer.parents[len(Path(files[0].name).parts) - 1],
        repository=weights.repository,
        revision=weights.revision,
        files=len(files),
        bytes=sum(file.bytes for file in files),
        already=all(one.already for one in got),
        note=_note(weights, files),
    )


def _note(weights: Safetensors, files: tuple[WantedFile, ...]) -> str:
    large = sum(file.by_sha256 for file in files)
    return (
        f"verified against the Hub's own digests of commit {weights.revision[:12]} ({large} by sha256, "
        f"{len(files) - large} by git's ids), since {weights.reason or 'the catalogue has no digest of the folder'}"
    )


def _files(weights: Safetensors, source: Source, report: Report, wait: HubPatience) -> tuple[WantedFile, ...]:
    """What is in the folder: as told by the Hub once, and kept, since a commit never changes."""
    kept = places.home() / "listings" / f"{weights.repository.replace('/', '--')}@{weights.revision}.json"
    with suppress(OSError):
        if known := json_file.read_again(kept, tuple[WantedFile, ...], "the Hub is asked again"):
            return known
    files = _listed(weights, source, report, wait)
    with refusal.writing(kept.parent, refusal.HOME):
        host_files.write(kept, msgspec.json.encode(files))
    return files


def _listed(weights: Safetensors, source: Source, report: Report, wait: HubPatience) -> tuple[WantedFile, ...]:
    whole = WantedFile(weights.repository, weights.revision, "model.safetensors", 0, "")
    if source.offline:
        raise refusal.offline(whole, source)
    from embedstack.deploy.hub.listing import listing
    from embedstack.deploy.hub.persist import persist

    files = persist(
        lambda: listing(weights.repository, weights.revision, source), lambda: 0, whole, source, report, wait
    )
    return tuple(file for file in files if file.name.endswith(_READ))
