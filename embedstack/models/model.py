"""What is known of one model, as frozen structs. Every figure has its source in catalog.yaml."""

from __future__ import annotations

import itertools
import math
import string
from typing import Annotated

import msgspec
from msgspec import Meta

MIN_DIMENSIONS = 32  # "user-defined output dimensions ranging from 32 to ..." (model cards)

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", extra={"allowed": "64 hex digits"})]
Commit = Annotated[str, Meta(pattern=r"^[0-9a-f]{40}\Z", extra={"allowed": "a commit of 40 hex digits"})]
Positive = Annotated[int, Meta(ge=1, le=2**53, extra={"allowed": "an integer from 1"})]  # bytes, parameters
Size = Annotated[int, Meta(ge=1, le=65536)]  # numbers in a vector
Tokens = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Cosine = Annotated[float, Meta(ge=-1, le=1, extra={"allowed": "a cosine, from -1 to 1"})]
Tolerance = Annotated[float, Meta(ge=0)]
Word = Annotated[str, Meta(min_length=1, extra={"allowed": "text that is not empty"})]
Scalar = bool | int | float | str


class CatalogError(ValueError):
    """A catalogue that cannot be used, or a question it cannot answer; the message names file, key and value."""


class WrongCatalog(CatalogError):
    """A catalogue that cannot be used."""


class NotInCatalog(CatalogError):
    """No such model, or none at that precision."""


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a text is embedded for. `instruction` None: no prefix. `symmetric`: the prefix goes on every text."""

    instruction: str | None
    symmetric: bool = False
    source: str


class PromptStyle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an instruction and a text become the final text.

    Attributes:
        template: with `{instruction}` and `{text}`.
        tasks: by task name, the template (with `{text}`) that stands in as long as the task's instruction is
            the catalogue's own.
    """

    template: str
    tasks: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.template.count("{instruction}") != 1 or not self.template.endswith("{text}"):
            raise ValueError("template must hold {instruction} once and end with {text}")
        for name, template in self.tasks.items():
            if not template.endswith("{text}"):
                raise ValueError(f"tasks.{name} must end with {{text}}, got {template!r}")

    def template_for(self, task: str) -> str:
        """The template for a built-in task with its own instruction; it may or may not hold `{instruction}`."""
        return self.tasks.get(task, self.template)


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One GGUF. `repository` and `revision` are None for a file that is built on this machine.

    Attributes:
        quantisation: as llama.cpp names it, `Q4_K_M`; `f16`.
        bytes: exact size.
        sha256: of the file, as in the Hub's LFS entry.
        reason: why a figure is None; such a file is not `selectable`.
        tags: names of Ollama's library that mean this file and no other.
    """

    quantisation: Word
    repository: Word | None
    revision: Commit | None
    file: Word
    bytes: Positive | None
    sha256: Sha256 | None
    reason: str | None = None
    tags: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        if not self.selectable and self.reason is None:
            raise ValueError(f"{self.quantisation}: bytes or sha256 is null and no reason is given")
        if (self.repository is None) != (self.revision is None):
            raise ValueError(f"{self.quantisation}: repository and revision go together")

    @property
    def selectable(self) -> bool:
        """Whether the file can be fetched and verified."""
        return self.bytes is not None and self.sha256 is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Names that mean this file and no other: Ollama's tags, then `hf.co/<repository>:<quantisation>`."""
        hub = (f"hf.co/{self.repository}:{self.quantisation}",) if self.repository else ()
        return (*self.tags, *hub)


class Safetensors(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The Hugging Face folder that vLLM serves; its precision is part of every name and fingerprint."""

    repository: Word
    revision: Commit
    precision: Word = "bf16"
    sha256: Sha256 | None
    reason: str | None = None


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tokens: what the model was trained for, and the `num_ctx` to start an engine with."""

    trained: Tokens
    recommended: Tokens

    def __post_init__(self) -> None:
        if self.recommended > self.trained:
            raise ValueError(f"recommended is {self.recommended}, more than the {self.trained} of trained")


# Endings of the keys whose values are counted with.
_MOST_F32 = 3.4028234e38
_WHOLE = ("_count", "_count_kv", "_length", "_token_id", "pooling_type")


class HeaderFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """GGUF header facts.

    Attributes:
        required: key to value that must be there (a float as f32); anything else gives wrong vectors.
        forbidden: key to value that must not be there; an absent key is good.
        expected: key to value whose absence deserves a warning.
        lengths: key of an array to the length expected of it; a difference deserves a warning.
        eos: the text of the token that `tokenizer.ggml.eos_token_id` means; None: not asked.
        tensors: how many; None where no source was found.
    """

    required: dict[str, Scalar]
    forbidden: dict[str, Scalar] = {}
    expected: dict[str, Scalar] = {}
    lengths: dict[str, int] = {}
    eos: str | None = None
    tensors: Positive | None = None

    def __post_init__(self) -> None:
        for key, value in self.required.items():
            if key.endswith(_WHOLE) and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                raise ValueError(f"required.{key} must be a whole number, got {value!r}")
        for name in ("required", "forbidden", "expected"):
            for key, value in getattr(self, name).items():
                if isinstance(value, float) and math.isfinite(value) and abs(value) > _MOST_F32:
                    raise ValueError(f"{name}.{key} is {value!r}, more than the f32 of a GGUF header can hold")

    def whole(self, key: str) -> int | None:
        """A required whole number, None where it is not said."""
        value = self.required.get(key)
        return value if isinstance(value, int) else None


class Scores(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Cosines of `queries` (rows) with `documents` (columns) at one precision and output dimension."""

    precision: Word
    dimensions: Size
    matrix: tuple[tuple[Cosine, ...], ...]
    source: str
    tolerance: Tolerance | None = None


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Golden texts, already rendered: what must reach the engine byte for byte.

    Attributes:
        texts: final texts, each once.
        tokens: of each text, its one EOS included.
        queries, documents: indices into `texts`; the rows and columns of every score matrix. None where no scores are
            known: then an engine is held against its own vectors of another day, and other engines of its pool.
        scores: published or computed, by precision and dimension.
        tolerances: by precision, how far a score may lie from its reference.
        traps: short texts that begin with tokens of many kinds, embedded at an engine's start: each must have a finite
            vector of length 1. For models that overflow by a text's first token where numbers are too narrow.
        margin: how far the best document of each query, the one at its place, must lie above every other one; None:
            not asked.
    """

    texts: tuple[str, ...]
    tokens: tuple[Tokens, ...]
    queries: tuple[int, ...] = ()
    documents: tuple[int, ...] = ()
    scores: tuple[Scores, ...] = ()
    tolerances: dict[str, Tolerance] = {}
    traps: tuple[Word, ...] = ()
    margin: float | None = None

    def __post_init__(self) -> None:
        if not self.texts:
            raise ValueError("texts is empty; write at least one text, and its number of tokens under `tokens`")
        if twice := {text for text in self.texts if self.texts.count(text) > 1}:
            raise ValueError(f"texts: {min(twice)!r} is given twice")
        if len(self.texts) != len(self.tokens):
            raise ValueError(f"{len(self.texts)} texts but {len(self.tokens)} token counts")
        if any(not 0 <= i < len(self.texts) for i in (*self.queries, *self.documents)):
            raise ValueError(f"queries and documents are indices below {len(self.texts)}")
        for scores in self.scores:
            if [len(row) for row in scores.matrix] != [len(self.documents)] * len(self.queries):
                raise ValueError(f"scores for {scores.precision} are not {len(self.queries)} x {len(self.documents)}")
        if self.margin is not None and self.compares and len(self.queries) != len(self.documents):
            raise ValueError(f"margin needs a document for each query, not {len(self.documents)} for them")

    @property
    def compares(self) -> bool:
        """Whether there are queries and documents to be held against each other."""
        return bool(self.queries and self.documents)

    def scores_for(self, precision: str) -> tuple[Scores, ...]:
        """What an engine at this precision is held against, each with its tolerance; empty when nothing is known.

        A precision without scores of its own is held against the others' with its own, wider tolerance: no
        scores of the 4B at Q4_K_M were ever published.
        """
        tolerance = self.tolerances.get(precision)
        if tolerance is None or not self.compares:
            return ()
        own = [scores for scores in self.scores if scores.precision == precision]
        nearest = own or [scores for scores in self.scores if scores.precision == self.scores[0].precision]
        return tuple(msgspec.structs.replace(s, tolerance=s.tolerance or tolerance) for s in nearest)


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model: everything the bridge and the toolkit may assume about it.

    Attributes:
        id: the catalogue's name for it, which is also Ollama's where Ollama has it.
        display: what lists show, None for `id`.
        names: further names that mean it at any precision.
        dimensions: native size of a vector; `min_dimensions` the least a cut may leave.
        mmteb: its published score on MTEB Multilingual, mean over tasks; None where none is known.
        kv_bytes_per_token: of the f16 key/value cache, for one token of context.
        unsound: precision to why its vectors are not to be trusted, no matter who made the file.
        reasons: by key, why a figure here is None.
        note: what a person must know before trusting its vectors.
    """

    id: Word
    hub_id: Word | None
    display: Word | None = None
    names: tuple[Word, ...] = ()
    parameters: Positive | None
    mmteb: Annotated[float, Meta(ge=0, le=100)] | None = None
    dimensions: Size
    min_dimensions: Size = MIN_DIMENSIONS
    context: Context
    kv_bytes_per_token: Positive | None
    unsound: dict[Word, Word] = {}
    reasons: dict[str, str] = {}
    note: str | None = None
    style: str = "qwen3"
    tasks: dict[str, Task]
    header: HeaderFacts
    default_quantisation: str
    safetensors: Safetensors | None = None
    files: tuple[ModelFile, ...]
    reference: Reference | None = None

    def __post_init__(self) -> None:
        for key in ("parameters", "kv_bytes_per_token"):
            if getattr(self, key) is None and key not in self.reasons:
                raise ValueError(f"{key} is null and `reasons` does not say why")
        if self.min_dimensions > self.dimensions:
            raise ValueError(f"min_dimensions is {self.min_dimensions}, more than the {self.dimensions} of dimensions")
        if self.unsound and not set(self.precisions) - set(self.unsound):
            raise ValueError("unsound names every precision; at least one must be left")
        if self.default_quantisation not in [f.quantisation for f in self.files if f.selectable]:
            raise ValueError(f"default_quantisation {self.default_quantisation!r} is not a selectable file")

    @property
    def precisions(self) -> tuple[str, ...]:
        """Every precision this model can be served at, the default first."""
        rest = [f.quantisation for f in self.files if f.quantisation != self.default_quantisation]
        return (self.default_quantisation, *rest, *([self.safetensors.precision] if self.safetensors else []))

    @property
    def sound(self) -> str:
        """The precisions that can be trusted, and those that cannot: `bf16, Q8_0 or Q4_K_M, not f16`."""
        good = [name for name in sorted(self.precisions, key=_width) if name not in self.unsound]
        last = f" or {good[-1]}" if len(good) > 1 else good[-1]
        return f"{', '.join(good[:-1])}{last}, not {' or '.join(self.unsound)}"

    def unsound_as(self, precision: str) -> str | None:
        """Why this precision, in whatever spelling (`F16`, `fp16`, `float16`), is not to be trusted; None: it is."""
        wanted = precision.casefold().replace("float16", "f16").replace("fp16", "f16")
        return next((why for name, why in self.unsound.items() if name.casefold() == wanted), None)

    def precision(self, name: str) -> str:
        """The catalogue's spelling of a precision (`F16`, `fp16` -> `f16`); NotInCatalog when there is none."""
        wanted = name.casefold().replace("fp16", "f16")
        for known in self.precisions:
            if known.casefold() == wanted:
                return known
        raise NotInCatalog(f"{self.id} has no precision {name!r}; known: {', '.join(self.precisions)}")

    def file(self, quantisation: str | None = None) -> ModelFile:
        """The GGUF at a quantisation, None for the default; NotInCatalog when it cannot be chosen, with the reason."""
        wanted = self.precision(quantisation or self.default_quantisation)
        for file in self.files:
            if file.quantisation == wanted:
                if file.selectable:
                    return file
                raise NotInCatalog(f"{self.id} at {wanted} cannot be chosen: {file.reason}")
        raise NotInCatalog(f"{self.id} at {wanted} is a folder of safetensors, not a GGUF")

    def names_for(self, precision: str) -> tuple[str, ...]:
        """Names that mean this model served at `precision`; the first is the one to show.

        A GGUF's own names count only at its own precision: `qwen3-embedding:4b-q8_0` is another model, with
        other vectors, than `qwen3-embedding:4b` at Q4_K_M.
        """
        general = [self.display or self.id, self.id, *self.names, *([self.hub_id] if self.hub_id else [])]
        gguf = [f for f in self.files if f.quantisation == precision]
        special = [name for f in gguf for name in (*f.names, *_repository_names(f))]
        return tuple(dict.fromkeys([*general, *special]))


def _width(precision: str) -> tuple[int, str]:
    """The widest first, by the first number in a name: bf16, Q8_0, Q4_K_M."""
    digits = "".join(itertools.takewhile(str.isdigit, precision.lstrip(string.ascii_letters)))
    return (-int(digits or 0), precision)


def _repository_names(file: ModelFile) -> tuple[str, ...]:
    return (f"hf.co/{file.repository}", file.repository) if file.repository else ()
