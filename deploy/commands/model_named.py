"""The file that a person's words mean, for every verb that puts one into an Ollama."""

from embedstack.deploy.errors import InvalidModel
from embedstack.models.catalog import Catalog, CatalogError
from embedstack.models.model import Model, ModelFile


def named(known: Catalog, name: str, quantisation: str | None) -> tuple[Model, ModelFile]:
    """A model and its GGUF; `quantisation` None: as the name says, else the catalogue's default. InvalidModel."""
    try:
        found = known.find(name)
        return found.model, found.model.file(quantisation or found.precision)
    except CatalogError as error:
        raise InvalidModel(str(error), "`embedstack model list` shows what there is.") from error
