"""A GGUF as a model in an Ollama."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.errors import EngineRefused
from embedstack.deploy.ollama import made
from embedstack.deploy.ollama.made import Made
from embedstack.deploy.ollama.modelfile import Value, as_shown, for_embeddings
from embedstack.deploy.ollama.progress import follow
from embedstack.deploy.ollama.server import Ollama
from embedstack.deploy.ollama.upload import upload


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

    It is, where Ollama lists the very manifest that was made here before (see `deploy.ollama.made`); or where the one
    blob that it names is the file itself (0.34.4 keeps it for the demo model), with these parameters and no others but
    of sampling, which Ollama takes from a chat template that it finds.
    EngineRefused, WrongBytes.
    """
    wanted = as_shown(parameters)
    digest = server.digest(name)
    if digest is not None and _is(server, name, digest, sha256, wanted):
        known = made.recall(server.url, name)
        if known is None or not known.same(Made(sha256, digest, wanted)):
            made.remember(server.url, name, Made(sha256, digest, wanted))
        return Created(name, digest, already=True, uploaded=False)
    uploaded = upload(server, gguf, sha256, report)
    stream = server.create(name, files={gguf.name: f"sha256:{sha256}"}, parameters=parameters)
    follow(stream, f"{name} in Ollama", report)
    digest = server.digest(name)
    if digest is None:
        raise EngineRefused(f"Ollama said that it had created {name}, and does not list it.", "Look into its log.")
    made.remember(server.url, name, Made(sha256, digest, wanted))
    return Created(name, digest, already=False, uploaded=uploaded)


def _is(server: Ollama, name: str, digest: str, sha256: str, wanted: dict[str, str]) -> bool:
    known = made.recall(server.url, name)
    if known is not None and known.same(Made(sha256, digest, wanted)):
        return True
    shown = server.show(name)
    return shown is not None and shown.blobs == (sha256,) and for_embeddings(shown.parameters) == wanted
