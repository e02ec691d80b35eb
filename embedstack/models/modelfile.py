"""Ollama Modelfiles, rendered from the catalogue. Pure.

A Modelfile as the arguments of Ollama's API, which takes no Modelfile text. Pure.

The grammar is that of Ollama's parser/parser.go as far as a file of ours needs it: FROM and PARAMETER. What Ollama
itself would not apply to embeddings (TEMPLATE, SYSTEM, …) is refused, so that nothing is lost on the way in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from embedstack.deploy.errors import InvalidModel
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


Value = int | float | bool | str
# Of Ollama's api.Options, those that concern an embedding model; all others are of sampling.
TYPES: Mapping[str, type[int] | type[bool]] = {
    "num_ctx": int,
    "num_batch": int,
    "num_gpu": int,
    "main_gpu": int,
    "num_thread": int,
    "use_mmap": bool,
}


@dataclass(frozen=True)
class Modelfile:
    """What a Modelfile says: the file or model that it is made from, and the parameters."""

    source: str
    parameters: Mapping[str, Value]


def parse(text: str) -> Modelfile:
    """InvalidModel naming the line. Of a parameter that is set twice the last counts, as in Ollama."""
    source: str | None = None
    parameters: dict[str, Value] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):  # Ollama knows comments at the start of a line alone
            continue
        command, _, rest = line.strip().partition(" ")
        match command.lower():
            case "from" if source is None:
                source = _unquoted(rest)
            case "parameter":
                name, _, value = rest.strip().partition(" ")
                parameters[name.lower()] = _typed(name.lower(), _unquoted(value), number)
            case _:
                raise _refused(number, f"{command} {'again' if command.lower() == 'from' else 'is not for embeddings'}")
    if not source:
        raise InvalidModel("The Modelfile has no FROM line.", _ADVICE)
    return Modelfile(source, parameters)


def parameters(num_ctx: int) -> dict[str, Value]:
    """What `render` writes for this context."""
    return {"num_ctx": num_ctx, "num_batch": num_ctx}


def shown(text: str) -> dict[str, str]:
    """The `parameters` of /api/show, a line each, as texts."""
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {line[0]: line[1].strip() if len(line) > 1 else "" for line in lines}


def for_embeddings(shown: Mapping[str, str]) -> dict[str, str]:
    """Those that concern an embedding; `stop` or `temperature`, which a library's model may have, change no vector."""
    return {name: value for name, value in shown.items() if name in TYPES}


def as_shown(parameters: Mapping[str, Value]) -> dict[str, str]:
    """Parameters as /api/show would list them (Go's %v)."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in parameters.items()}


def _typed(name: str, value: str, number: int) -> Value:
    kind = TYPES.get(name)
    if kind is None:
        raise _refused(number, f"PARAMETER {name} is not one of {', '.join(TYPES)}")
    if kind is bool and value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        return int(value) if kind is int else bool(int(value))
    except ValueError:
        raise _refused(number, f"PARAMETER {name} cannot be {value!r}") from None


def _unquoted(text: str) -> str:
    text = text.strip()
    for quote in ('"""', '"'):
        if len(text) >= 2 * len(quote) and text.startswith(quote) and text.endswith(quote):
            return text[len(quote) : -len(quote)]
    return text


def _refused(number: int, why: str) -> InvalidModel:
    return InvalidModel(f"Line {number} of the Modelfile: {why}.", _ADVICE)


_ADVICE = "`embedstack model modelfile FILE.gguf` prints one that is right."
