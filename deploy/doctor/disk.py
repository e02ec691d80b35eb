"""Room on the disks, and folders that can be written: asked before the first byte is fetched."""

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from embedstack.deploy.doctor.finding import Finding, size

MARGIN = 512 * 2**20  # for databases, logs and whatever else writes there meanwhile
# Ollama >= 0.30 copies an imported file through llama-quantize: the upload and its copy stand side by side.
CREATE_COPIES = 2


@dataclass(frozen=True)
class Need:
    """What a stack is about to put into a folder, and the folder as it was found.

    Attributes:
        setting: how to choose another folder.
        bytes: still to come; 0 where all is there and the folder must only be writable.
        free: on its disk, None where that cannot be seen.
        disk: the same for folders on one disk.
        trouble: what the system says against writing there, "" for nothing.
    """

    what: str
    folder: Path
    setting: str
    bytes: int
    free: int | None
    disk: int
    trouble: str = ""


def check(needs: Iterable[Need]) -> Iterator[Finding]:
    by_disk = defaultdict[int, list[Need]](list)
    for need in needs:
        if need.trouble:
            yield _unwritable(need)
        elif need.free is not None:
            by_disk[need.disk].append(need)
    for together in by_disk.values():
        yield from _room(together)


def _unwritable(need: Need) -> Finding:
    return Finding(
        "FOLDER-UNWRITABLE",
        "blocker",
        "A folder cannot be written",
        f"{need.folder}, for {need.what}: {need.trouble}.",
        "Nothing can be kept there.",
        f"Make the folder yours (`sudo chown -R $USER FOLDER`), or name another: {need.setting}.",
    )


def _room(needs: list[Need]) -> Iterator[Finding]:
    """What comes onto one disk counts together."""
    free, total = needs[0].free or 0, sum(need.bytes for need in needs)
    if free >= total + MARGIN:
        return
    movable = [need for need in needs if need.bytes] or needs  # naming another folder for what is there helps nobody
    elsewhere = f"Make room, or name other folders: {', '.join(dict.fromkeys(need.setting for need in movable))}."
    if total == 0:
        yield Finding(
            "DISK-LOW",
            "warning",
            "A disk is nearly full",
            f"{size(free)} are free where {needs[0].folder} is. Nothing large is to come there.",
            "Logs, the bridge's cache and Open WebUI's database can no longer grow.",
            elsewhere,
        )
        return
    parts = "; ".join(f"{size(need.bytes)} for {need.what} in {need.folder}" for need in needs if need.bytes)
    yield Finding(
        "DISK-FULL",
        "blocker",
        "A disk has too little room",
        f"{size(free)} are free where {needs[0].folder} is; {size(total)} are needed there, and {size(MARGIN)} to "
        f"spare: {parts}.",
        "A download, or Ollama's copy of the model, would stop half way.",
        elsewhere,
    )


def look(what: str, folder: Path, setting: str, bytes_: int, *, ours: bool = True) -> Need:
    """A folder that is there or will be; `ours` False for one that another user writes, as the Docker daemon."""
    there = next(path for path in (folder, *folder.parents) if _exists(path))
    try:
        free, disk = shutil.disk_usage(there).free, there.stat().st_dev
    except OSError as error:
        return Need(what, folder, setting, bytes_, None, 0, _explained(error))
    return Need(what, folder, setting, bytes_, free, disk, _against_writing(there) if ours else "")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # under a folder that this user may not search


def _against_writing(folder: Path) -> str:
    """Tried, since permissions tell neither root's nor a read-only disk's truth; leaves nothing behind."""
    if not folder.is_dir():
        return f"{folder} is not a folder"
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return _explained(error)
    return ""


def _explained(error: OSError) -> str:
    return error.strerror or os.strerror(error.errno or 0)
