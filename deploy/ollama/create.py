"""A GGUF as a model in an Ollama.

What was made in which Ollama from which file, in a small file of ours, 0600.

From 0.30 on Ollama may rewrite a GGUF while it creates a model (llama-quantize COPY, server/create.go), and the blob
that /api/show then names is not the file's. So the digest of the manifest that came out is kept beside the file's
sha256: as long as Ollama lists the same digest, the model is the one that was made, its parameters included.

A GGUF into an Ollama, where it is not there yet.

The client library's create_blob uploads without asking whether it has to, reads the file twice and tells nothing.

Ollama's own account of a `create` or `pull`, for people.

A model from Ollama's own library, and whether it is the one that the catalogue names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import msgspec

from embedstack.deploy import places
from embedstack.deploy.console import Report, Transfer
from embedstack.deploy.errors import EngineRefused, InvalidModel, WrongBytes
from embedstack.deploy.ollama.server import LOOK, SILENCE, Ollama, Progress, asking, refused
from embedstack.host import files
from embedstack.models.model import ModelFile
from embedstack.models.modelfile import Value, as_shown, for_embeddings
from embedstack.readers import json_file


class Made(msgspec.Struct, frozen=True):
    """`source`: sha256 of the GGUF. `digest`: of the manifest, as in /api/tags. `parameters` as /api/show has them.
    `verified`: its vectors have been found right since.
    """

    source: str
    digest: str
    parameters: dict[str, str]
    verified: bool = False

    def same(self, other: Made) -> bool:
        """Whether both are one model, verified or not."""
        return (self.source, self.digest, self.parameters) == (other.source, other.digest, other.parameters)


def recall(url: str, name: str) -> Made | None:
    return _read().get(_key(url, name))


def remember(url: str, name: str, made: Made | None) -> None:
    """None forgets. Where it cannot be written, the model is made once more next time, and nothing is wrong."""
    known = {key: value for key, value in _read().items() if key != _key(url, name)}
    if made is not None:
        known[_key(url, name)] = made
    try:
        _file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write(_file(), msgspec.json.format(msgspec.json.encode(known)))
    except OSError:
        return


def vouch(url: str, name: str) -> None:
    """Its vectors are right: `verify` has passed."""
    if (known := recall(url, name)) is not None:
        remember(url, name, msgspec.structs.replace(known, verified=True))


def _key(url: str, name: str) -> str:
    return f"{url.rstrip('/')} {name.casefold().removesuffix(':latest')}"


def _file() -> Path:
    return places.home() / "ollama.json"


def _read() -> dict[str, Made]:
    try:
        return json_file.read_again(_file(), dict[str, Made], "models are made again in Ollama") or {}
    except OSError:
        return {}


CHUNK = 2**20


class _Body:
    """A file that is read once, a piece at a time; its length tells the HTTP library not to send it in chunks."""

    def __init__(self, path: Path, size: int, transfer: Transfer) -> None:
        self._path, self._size, self._transfer = path, size, transfer

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        done = 0
        with self._path.open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece
                done += len(piece)
                self._transfer.at(done)


def upload(server: Ollama, gguf: Path, sha256: str, report: Report) -> bool:
    """Whether it had to be uploaded. WrongBytes where Ollama counts another sha256; InvalidModel, EngineRefused."""
    doing, url = f"take {gguf.name}", f"{server.url}/api/blobs/sha256:{sha256}"
    with asking(server.url, doing):
        if server.session.head(url, timeout=LOOK).ok:
            return False
    size = _size(gguf)
    with report.transfer(f"{gguf.name} to Ollama", size) as transfer, asking(server.url, doing):
        answer = server.session.post(url, data=_Body(gguf, size, transfer), timeout=(LOOK * 6, SILENCE))
    if answer.status_code == 400 and "digest" in answer.text:
        raise WrongBytes(
            f"{gguf} is not the file that it was taken for: its sha256 is not {sha256}.",
            f"`embedstack model verify {gguf}` reads it again, `embedstack model pull NAME` fetches it again.",
        )
    if not answer.ok:
        raise refused(server.url, doing, f"{answer.status_code} {answer.text.strip()}")
    return True


def _size(gguf: Path) -> int:
    try:
        with gguf.open("rb") as file:
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise InvalidModel(f"{gguf} cannot be read: {error.strerror}", "Name a file that you may read.") from error


DONE = "success"


def follow_progress(stream: Iterable[Progress], doing: str, report: Report) -> None:
    """Tell each stage until the last. EngineRefused where the stream ends before it, as it does when Ollama ends."""
    stage = "nothing"
    for stage, parts in groupby(stream, key=lambda part: part.status):
        with report.transfer(f"{doing}: {stage}") as transfer:
            for part in parts:
                if part.total:
                    transfer.at(part.completed or 0, part.total)
    if stage != DONE:
        raise EngineRefused(
            f"{doing}: Ollama broke off after {stage!r}.", "Run it again; what was uploaded or pulled is kept."
        )


@dataclass(frozen=True)
class Created:
    """A model as it is in Ollama.

    Attributes:
        digest: of its manifest.
        already: whether it was there, made from this file with these parameters, and was left alone.
        uploaded: whether the file had to be sent.
    """

    name: str
    digest: str
    already: bool
    uploaded: bool


def create(
    server: Ollama, name: str, gguf: Path, sha256: str, parameters: Mapping[str, Value], report: Report
) -> Created:
    """Make `name` from the verified file, or leave it alone where it is that already.

    It is, where Ollama lists the very manifest that was made here before (see `vouch`); or where the one
    blob that it names is the file itself (0.34.4 keeps it for the demo model), with these parameters and no others but
    of sampling, which Ollama takes from a chat template that it finds.
    EngineRefused, WrongBytes.
    """
    wanted = as_shown(parameters)
    digest = server.digest(name)
    if digest is not None and _is(server, name, digest, sha256, wanted):
        known = recall(server.url, name)
        if known is None or not known.same(Made(sha256, digest, wanted)):
            remember(server.url, name, Made(sha256, digest, wanted))
        return Created(name, digest, already=True, uploaded=False)
    uploaded = upload(server, gguf, sha256, report)
    stream = server.create(name, files={gguf.name: f"sha256:{sha256}"}, parameters=parameters)
    follow_progress(stream, f"{name} in Ollama", report)
    digest = server.digest(name)
    if digest is None:
        raise EngineRefused(f"Ollama said that it had created {name}, and does not list it.", "Look into its log.")
    remember(server.url, name, Made(sha256, digest, wanted))
    return Created(name, digest, already=False, uploaded=uploaded)


def _is(server: Ollama, name: str, digest: str, sha256: str, wanted: dict[str, str]) -> bool:
    known = recall(server.url, name)
    if known is not None and known.same(Made(sha256, digest, wanted)):
        return True
    shown = server.show(name)
    return shown is not None and shown.blobs == (sha256,) and for_embeddings(shown.parameters) == wanted


@dataclass(frozen=True)
class PulledByOllama:
    """A model that Ollama fetched itself; `same`: its weights are, byte for byte, the catalogue's file."""

    name: str
    digest: str
    blobs: tuple[str, ...]
    same: bool


def pull(server: Ollama, name: str, file: ModelFile, report: Report) -> PulledByOllama:
    """Ollama fetches `name`, going on where it was cut before. EngineRefused.

    Its layer is the file as it was pushed (a pull rewrites nothing): the blob that /api/show names tells which it is.
    """
    follow_progress(server.pull(name), f"{name} from Ollama's library", report)
    digest, shown = server.digest(name), server.show(name)
    if digest is None or shown is None:
        raise EngineRefused(f"Ollama said that it had pulled {name}, and does not list it.", "Look into its log.")
    return PulledByOllama(name, digest, shown.blobs, same=shown.blobs == (file.sha256,))
