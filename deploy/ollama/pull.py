"""A model from Ollama's own library, and whether it is the one that the catalogue names."""

from dataclasses import dataclass

from embedstack.deploy.console import Report
from embedstack.deploy.errors import EngineRefused
from embedstack.deploy.ollama.progress import follow
from embedstack.deploy.ollama.server import Ollama
from embedstack.models.model import ModelFile


@dataclass(frozen=True)
class Pulled:
    """A model that Ollama fetched itself; `same`: its weights are, byte for byte, the catalogue's file."""

    name: str
    digest: str
    blobs: tuple[str, ...]
    same: bool


def pull(server: Ollama, name: str, file: ModelFile, report: Report) -> Pulled:
    """Ollama fetches `name`, going on where it was cut before. EngineRefused.

    Its layer is the file as it was pushed (a pull rewrites nothing): the blob that /api/show names tells which it is.
    """
    follow(server.pull(name), f"{name} from Ollama's library", report)
    digest, shown = server.digest(name), server.show(name)
    if digest is None or shown is None:
        raise EngineRefused(f"Ollama said that it had pulled {name}, and does not list it.", "Look into its log.")
    return Pulled(name, digest, shown.blobs, same=shown.blobs == (file.sha256,))
