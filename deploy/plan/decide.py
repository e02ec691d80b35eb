"""What a stack is to be, from the settings and what is true of this machine. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.plan.plan import Mode
from embedstack.deploy.settings import Settings
from embedstack.models import catalog
from embedstack.models.catalog import CatalogError
from embedstack.models.model import Model, ModelFile


@dataclass(frozen=True)
class Chosen:
    """A model and the file of it that Ollama or llama.cpp takes."""

    model: Model
    file: ModelFile


def mode(settings: Settings, *, docker: str, ollama: str | None, up: Mode | None = None) -> tuple[Mode, str]:
    """How the stack runs, and why.

    `docker` says why Docker cannot be used, "" where it can; `ollama` is the address of an Ollama that runs and is none
    of the stack's own; `up` is how the stack runs now.
    """
    wanted = settings.stack.mode
    if wanted != "auto":
        return wanted, "as asked for"
    if up is not None:
        return up, "it runs so"
    if ollama is not None:
        # A container reaches an Ollama of this machine only where that listens on more than loopback.
        return "native", f"an Ollama runs at {ollama} already"
    if docker:
        return "native", docker
    return "docker", "Docker and Compose work here"


def model(settings: Settings) -> Chosen:
    """The model and file that the settings name. InvalidModel."""
    try:
        known = catalog.load(settings.model.catalog)
        named = known.find(settings.model.id)
        return Chosen(named.model, named.model.file(settings.model.quantisation or named.precision))
    except CatalogError as error:
        raise InvalidModel(str(error), "`embedstack model list` shows what there is.") from error
