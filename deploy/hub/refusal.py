"""What to tell when the Hub is not available, and the ways on from there. Pure.

Whether a disk has room, asked before the first byte.
"""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from embedstack.deploy.errors import DeployError, FolderNotUsable, HubRefused, HubUnreachable, NotEnoughSpace
from embedstack.deploy.hub.source import Source, WantedFile

TOKENS = "https://huggingface.co/settings/tokens"
_MISSING = {"RepoNotFound": "repository", "RevisionNotFound": "revision", "EntryNotFound": "file"}


def unreachable(wanted: WantedFile, source: Source, why: str) -> DeployError:
    """No answer, or none that can be used."""
    return HubUnreachable(f"{source.url} could not be reached: {why}. {_needed(wanted)}", ways_on(wanted))


def offline(wanted: WantedFile, source: Source) -> DeployError:
    """The network may not be asked, and the file is not here."""
    message = f"{wanted.name} is not in {source.folder}, and the network is not asked (hub.offline or HF_HUB_OFFLINE)."
    return HubUnreachable(f"{message} {_needed(wanted)}", ways_on(wanted))


def refused(wanted: WantedFile, source: Source, status: int, code: str | None, *, has_token: bool) -> DeployError:
    """An answer that is a refusal. `code` is the Hub's X-Error-Code."""
    said = f"{source.url} answered {status} {_phrase(status)}"
    if status in (401, 403) or code == "GatedRepo":
        token = "HF_TOKEN is set, and was not enough" if has_token else "HF_TOKEN is not set"
        return HubRefused(f"{said} for {wanted.path}; {token}.", _with_token(wanted))
    if status == HTTPStatus.NOT_FOUND:
        missing = _MISSING.get(code or "", "repository, revision or file")
        return HubRefused(f"{said}: no such {missing}. Asked for: {_where(wanted)}.", _elsewhere(wanted))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return HubRefused(f"{said} for {wanted.path}, again and again.", _later(wanted, has_token=has_token))
    return HubUnreachable(f"{said} for {wanted.path}. {_needed(wanted)}", ways_on(wanted))


def ways_on(wanted: WantedFile) -> str:
    """What a person without this Hub can do, on one screen."""
    return "\n".join(
        (
            "Run the same command again once the network is back: it goes on where it stopped. Else:",
            "- take a mirror: `--endpoint https://MIRROR`, or HF_ENDPOINT=https://MIRROR; HTTPS_PROXY names a proxy",
            "- fetch it on another machine and bring it here: `embedstack model import FILE`",
            f"    https://huggingface.co/{wanted.path}",
            *((f"    sha256 {wanted.digest}",) if wanted.by_sha256 else ()),
            "- try everything with a stand-in that needs no download: `make demo`, or `make up MODEL=demo`",
        )
    )


def _needed(wanted: WantedFile) -> str:
    size = f", {wanted.bytes / 1e9:.2f} GB" if wanted.bytes else ""
    return f"Needed from there: {_where(wanted)}{size}."


def _where(wanted: WantedFile) -> str:
    return f"{wanted.name} of {wanted.repository} at {wanted.revision[:12]}"


def _with_token(wanted: WantedFile) -> str:
    return (
        f"Set HF_TOKEN to a token that may read {wanted.repository} ({TOKENS}); a gated model also wants its terms "
        f"accepted on https://huggingface.co/{wanted.repository}."
    )


def _elsewhere(wanted: WantedFile) -> str:
    return (
        "A mirror may not have it (yet): leave out --endpoint and HF_ENDPOINT, or name another. A private repository "
        f"needs HF_TOKEN. With the file on a disk: `embedstack model import FILE`. Look at "
        f"https://huggingface.co/{wanted.repository}/tree/{wanted.revision}."
    )


def _later(wanted: WantedFile, *, has_token: bool) -> str:
    known = "" if has_token else f"The Hub allows more to whom it knows: set HF_TOKEN ({TOKENS}). "
    return f"{known}Later, the same command goes on where it stopped.\n{ways_on(wanted)}"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


MARGIN = 64 * 2**20  # for whatever else writes there meanwhile
CACHE = "Make room there, or name another folder: `--set hub.cache=FOLDER`, or HF_HOME."
HOME = "Make room there, or name another folder in EMBEDSTACK_HOME."
TARGET = "Make room there, or name another folder."


def ensure_space(folder: Path, needed: int, advice: str) -> None:
    """NotEnoughSpace unless `needed` more bytes, and some, fit where `folder` is or will be."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed + MARGIN:
        raise NotEnoughSpace(
            f"{folder} has {_size(free)} free; {_size(needed)} are needed there, and {_size(MARGIN)} to spare.", advice
        )


@contextmanager
def writing(folder: Path, advice: str) -> Iterator[None]:
    """What the system says against writing to `folder`, as NotEnoughSpace or FolderNotUsable."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.strerror is None:
            raise  # of the network: errors of HTTP are OSErrors, too
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(folder).free
            raise NotEnoughSpace(
                f"{folder} is full: {error.strerror}, {_size(free)} free. What had come is kept.", advice
            ) from error
        where = f" ({error.filename})" if error.filename and str(error.filename) != str(folder) else ""
        raise FolderNotUsable(f"{folder} cannot be written: {error.strerror}{where}.", advice) from error


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e9:.2f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.1f} MB"
