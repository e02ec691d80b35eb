"""Ollama Modelfiles, made from the catalogue: as text, and as the parameters for Ollama's API. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedstack.models.catalog import CatalogError
from embedstack.models.model import Model

TEMPLATE = "embedding.Modelfile.j2"
Value = int | float | bool | str
# Of Ollama's api.Options, those that concern an embedding model; all others are of sampling.
CONCERNED = frozenset({"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap"})


@dataclass(frozen=True)
class Modelfile:
    """A GGUF as a model in Ollama, with a context of `num_ctx` tokens."""

    model: Model
    gguf: Path
    num_ctx: int

    @classmethod
    def of(cls, model: Model, gguf: Path, num_ctx: int | None = None) -> Modelfile:
        """`num_ctx` None: the catalogue's recommendation.

        CatalogError for a context that the model was not trained for, or a path that a Modelfile cannot hold.
        """
        tokens = num_ctx or model.context.recommended
        if not 0 < tokens <= model.context.trained:
            raise CatalogError(
                f"num_ctx {tokens} is not from 1 to {model.context.trained}, which {model.id} was trained for"
            )
        if "\n" in str(gguf):
            raise CatalogError(f"a Modelfile cannot name {str(gguf)!r}: its path holds a line break")
        return cls(model, gguf, tokens)

    @property
    def parameters(self) -> dict[str, Value]:
        return parameters(self.num_ctx)

    @property
    def text(self) -> str:
        # Imported here: who plans a context needs no template.
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("embedstack", "modelfiles"),
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            autoescape=False,  # noqa: S701 -- no HTML: escaping would spoil a path with an ampersand
        )
        return environment.get_template(TEMPLATE).render(model=self.model, gguf=self.gguf, **self.parameters)


def parameters(num_ctx: int) -> dict[str, Value]:
    """What a Modelfile sets for this context."""
    return {"num_ctx": num_ctx, "num_batch": batch(num_ctx)}


def batch(num_ctx: int) -> int:
    """As large as the context: with Ollama's own default, texts have been cut in silence and runners have ended."""
    return num_ctx


def shown(text: str) -> dict[str, str]:
    """The `parameters` of /api/show, a line each, as texts."""
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {line[0]: line[1].strip() if len(line) > 1 else "" for line in lines}


def for_embeddings(shown: Mapping[str, str]) -> dict[str, str]:
    """Those that concern an embedding; `stop` or `temperature`, which a library's model may have, change no vector."""
    return {name: value for name, value in shown.items() if name in CONCERNED}


def as_shown(parameters: Mapping[str, Value]) -> dict[str, str]:
    """Parameters as /api/show would list them (Go's %v)."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in parameters.items()}
