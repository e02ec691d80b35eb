"""A GGUF into an Ollama, where it is not there yet.

The client library's create_blob uploads without asking whether it has to, reads the file twice and tells nothing.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from embedstack.deploy.console import Report, Transfer
from embedstack.deploy.errors import InvalidModel, WrongBytes
from embedstack.deploy.ollama.refusal import asking, refused
from embedstack.deploy.ollama.server import LOOK, SILENCE, Ollama

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
            f"`embedstack model verify {gguf}` reads it again, `embedstack model pull NAME` fetches it anew.",
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
