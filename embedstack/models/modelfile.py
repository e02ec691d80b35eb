"""Ollama Modelfiles, rendered from the catalogue. Pure."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from embedstack.models.catalog import CatalogError
from embedstack.models.model import Model

TEMPLATE = "qwen3-embedding.Modelfile.j2"


def render(model: Model, gguf: Path, num_ctx: int | None = None) -> str:
    """A Modelfile for `gguf`; `num_ctx` in tokens, None for the catalogue's recommendation.

    CatalogError for a context that the model was not trained for, or a path that a Modelfile cannot hold.
    """
    tokens = num_ctx or model.context.recommended
    if not 0 < tokens <= model.context.trained:
        raise CatalogError(
            f"num_ctx {tokens} is not from 1 to {model.context.trained}, which {model.id} was trained for"
        )
    if "\n" in str(gguf):
        raise CatalogError(f"a Modelfile cannot name {str(gguf)!r}: its path holds a line break")
    environment = Environment(
        loader=PackageLoader("embedstack", "modelfiles"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 -- no HTML: escaping would spoil a path with an ampersand
    )
    return environment.get_template(TEMPLATE).render(model=model, gguf=gguf, num_ctx=tokens)
