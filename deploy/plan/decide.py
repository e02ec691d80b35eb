"""What a stack is to be, from the settings and what is true of this machine. Pure.

Whether a model fits a GPU, reckoned before a byte is fetched. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.plan.plan import Mode
from embedstack.deploy.settings import Settings
from embedstack.models import catalog
from embedstack.models.catalog import CatalogError
from embedstack.models.model import Model, ModelFile
from embedstack.models.modelfile import batch


@dataclass(frozen=True)
class Chosen:
    """A model and the file of it that Ollama or llama.cpp takes."""

    model: Model
    file: ModelFile


def mode(settings: Settings, *, docker: str, ollama: str | None, up: Mode | None = None) -> tuple[Mode, str]:
    """How the stack runs, and why.

    `docker` says why Docker cannot be used, "" where it can; `ollama` is the address of a running Ollama, not one
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


CONTEXTS = (8192, 4096, 2048)  # tokens; the context is stepped down before the quantisation is
F32 = 4  # bytes


@dataclass(frozen=True)
class Tried:
    """One step: what a quantisation at a context would need."""

    quantisation: str
    num_ctx: int
    needed_bytes: int


@dataclass(frozen=True)
class Fit:
    """The first step that fits, or the last one that was tried and does not fit either.

    Attributes:
        steps: all that were tried, the wanted one first.
    """

    num_ctx: int
    quantisation: str
    needed_bytes: int
    fits: bool
    steps: tuple[Tried, ...]

    @property
    def as_wanted(self) -> bool:
        return self.fits and len(self.steps) == 1


def fit(model: Model, file: ModelFile, vram_bytes: int, wanted_ctx: int, flash_attention: bool) -> Fit:
    """The largest that fits `vram_bytes`: `file` at `wanted_ctx`, at less context, then smaller files."""
    tried = []
    for candidate, num_ctx in _candidates(model, file, wanted_ctx):
        step = Tried(candidate.quantisation, num_ctx, needed(model, candidate, num_ctx, flash_attention))
        tried.append(step)
        if step.needed_bytes <= vram_bytes:
            break
    last = tried[-1]
    return Fit(last.num_ctx, last.quantisation, last.needed_bytes, last.needed_bytes <= vram_bytes, tuple(tried))


def needed(model: Model, file: ModelFile, num_ctx: int, flash_attention: bool) -> int:
    """Bytes of weights, key/value cache and compute buffer; a figure that the catalogue lacks counts as nothing."""
    cache = (model.kv_bytes_per_token or 0) * num_ctx
    return (file.bytes or 0) + cache + compute_buffer(model, num_ctx, flash_attention)


def compute_buffer(model: Model, num_ctx: int, flash_attention: bool) -> int:
    """Bytes for one batch, which our Modelfiles make as large as the context.

    Without flash attention every score of a layer stands in memory at once, heads x num_batch x num_ctx in f32: 8 GiB
    for the 4B at 8192. With it the two halves of the feed-forward are the largest thing left.
    """
    if flash_attention:
        return 2 * _header(model, "qwen3.feed_forward_length") * batch(num_ctx) * F32
    return _header(model, "qwen3.attention.head_count") * batch(num_ctx) * num_ctx * F32


def unknown(model: Model) -> tuple[str, ...]:
    """What the catalogue does not know and the reckoning therefore leaves out."""
    known = {
        "the key/value cache": model.kv_bytes_per_token,
        "the number of heads": _header(model, "qwen3.attention.head_count"),
    }
    return tuple(name for name, value in known.items() if not value)


def _candidates(model: Model, file: ModelFile, wanted_ctx: int) -> Iterator[tuple[ModelFile, int]]:
    contexts = (wanted_ctx, *(tokens for tokens in CONTEXTS if tokens < wanted_ctx))
    smaller = [other for other in model.files if other.selectable and (other.bytes or 0) < (file.bytes or 0)]
    for candidate in (file, *sorted(smaller, key=lambda other: -(other.bytes or 0))):
        yield from ((candidate, tokens) for tokens in contexts)


def _header(model: Model, key: str) -> int:
    return model.header.whole(key) or 0
