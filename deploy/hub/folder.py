"""The safetensors folder of a model, for vLLM: every file of it that an engine reads, verified."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from embedstack.deploy import places
from embedstack.deploy.console import Report
from embedstack.deploy.errors import WrongBytes
from embedstack.deploy.hub import refusal
from embedstack.deploy.hub.cache import slot
from embedstack.deploy.hub.fetch import obtain
from embedstack.deploy.hub.patience import HubPatience
from embedstack.deploy.hub.source import Source, WantedFile, token
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
    """What is in the folder: as reported by the Hub once, and kept, since a commit never changes."""
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
    from embedstack.deploy.hub.persist import persist

    files = persist(
        lambda: _listing(weights.repository, weights.revision, source), lambda: 0, whole, source, report, wait
    )
    return tuple(file for file in files if file.name.endswith(_READ))


def _listing(repository: str, revision: str, source: Source) -> tuple[WantedFile, ...]:
    """All files of a repository at a commit, each with its size and digest."""
    from huggingface_hub.hf_api import HfApi, RepoFile  # 16 MB and 0.3 s that no download of a GGUF needs

    hub = HfApi(endpoint=source.url, token=token(os.environ))
    entries = hub.list_repo_tree(repository, revision=revision, recursive=True)
    files = [entry for entry in entries if isinstance(entry, RepoFile)]
    outside = [file.path for file in files if not _inside(file.path)]
    if outside:
        raise WrongBytes(f"{source.url} lists a file outside of {repository}: {outside[0]!r}.", "Take another mirror.")
    return tuple(
        WantedFile(repository, revision, file.path, file.size, file.lfs.sha256 if file.lfs else file.blob_id)
        for file in files
    )


def _inside(name: str) -> bool:
    """Whether a name that a mirror tells stays where it belongs on this disk."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name
