"""`embedstack model …`."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.text import Text

from embedstack.deploy.errors import InvalidModel
from embedstack.models import catalog
from embedstack.models.catalog import CatalogError
from embedstack.models.modelfile import render


@dataclass(frozen=True)
class Modelfile:
    """A Modelfile's text, for `ollama create -f`."""

    model: str
    text: str

    def __rich__(self) -> Group:
        """Line by line and never wrapped: it goes into a file."""
        return Group(*(Text(line, no_wrap=True, overflow="ignore") for line in self.text.splitlines()))


def modelfile(gguf: Path, name: str, num_ctx: int | None) -> Modelfile:
    """The Modelfile for a GGUF of a model that the catalogue knows. InvalidModel."""
    try:
        model = catalog.load().find(name).model
        return Modelfile(model.id, render(model, gguf.absolute(), num_ctx))
    except CatalogError as error:
        raise InvalidModel(str(error)) from error
