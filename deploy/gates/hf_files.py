"""The small files of a Hugging Face folder: as much of them as decides about vectors.

What a tokenizer.json's post-processor adds to a text. Pure.
"""

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec

from embedstack.readers import json_file
from embedstack.readers.content import Damaged, DamagedFile

T = TypeVar("T")

MOST_BYTES = 64 * 2**20  # of one JSON file; Qwen's tokenizer.json has 11 MB


class UnreadableError(Exception):
    """A file that is missing, or is not what its name says. `why` speaks of the file `name`."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why}")
        self.name = name
        self.why = why


class Config(msgspec.Struct, frozen=True):
    """config.json. transformers 5 writes `rope_parameters` in place of `rope_theta`."""

    model_type: str | None = None
    architectures: tuple[str, ...] = ()
    hidden_size: int | None = None
    num_hidden_layers: int | None = None
    intermediate_size: int | None = None
    num_attention_heads: int | None = None
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    rope_theta: float | None = None
    rope_parameters: dict[str, Any] | None = None
    torch_dtype: str | None = None
    dtype: str | None = None  # as transformers 5 calls it

    @property
    def theta(self) -> Any:
        return (self.rope_parameters or {}).get("rope_theta") if self.rope_theta is None else self.rope_theta


class NamedToken(msgspec.Struct, frozen=True):
    id: str


class Piece(msgspec.Struct, frozen=True):
    """One piece of a template: a text, or a special token by its name."""

    sequence: NamedToken | None = msgspec.field(default=None, name="Sequence")
    special: NamedToken | None = msgspec.field(default=None, name="SpecialToken")


class Special(msgspec.Struct, frozen=True):
    """The tokens that one name in a template stands for."""

    ids: tuple[int, ...]
    tokens: tuple[str, ...]


class PostProcessor(msgspec.Struct, frozen=True):
    """`processors` of a Sequence; `single` and `special_tokens` of a TemplateProcessing; the rest of older kinds."""

    type: str
    processors: tuple["PostProcessor", ...] = ()
    single: tuple[Piece, ...] = ()
    special_tokens: dict[str, Special] = {}
    cls: tuple[str, int] | None = None
    sep: tuple[str, int] | None = None


class Tokenizer(msgspec.Struct, frozen=True):
    post_processor: PostProcessor | None = None


class Module(msgspec.Struct, frozen=True):
    """One step of sentence-transformers' pipeline; its `type` is the class with its module."""

    type: str
    path: str = ""

    @property
    def kind(self) -> str:
        return self.type.rpartition(".")[2]


class Pooling(msgspec.Struct, frozen=True):
    """1_Pooling/config.json: a flag for each mode or, since sentence-transformers 5, its name."""

    word_embedding_dimension: int | None = None
    pooling_mode: str | None = None
    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False

    @property
    def modes(self) -> tuple[str, ...]:
        """Every mode that is on."""
        flags = [name for name in self.__struct_fields__ if name.startswith("pooling_mode_") and getattr(self, name)]
        named = [self.pooling_mode] if self.pooling_mode else []
        return tuple(dict.fromkeys([*named, *(flag.removeprefix("pooling_mode_") for flag in flags)]))


def read(folder: Path, name: str, kind: type[T]) -> T:
    """The file `name` of `folder`. UnreadableError where it is missing, too big or not of this kind."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise UnreadableError(name, "leads out of the folder")
    path = folder / name
    if not path.is_file():
        raise UnreadableError(name, "is missing")
    try:
        return json_file.read(path, kind, MOST_BYTES)
    except DamagedFile as error:
        raise UnreadableError(name, f"is damaged: {error.detail}") from error


def decode(content: bytes, name: str, kind: type[T]) -> T:
    """UnreadableError where it is not JSON of this kind."""
    try:
        return json_file.decode(content, kind)
    except Damaged as error:
        raise UnreadableError(name, f"is damaged: {error}") from error


@dataclass(frozen=True)
class Token:
    """`id` None where the processor does not say."""

    text: str
    id: int | None


@dataclass(frozen=True)
class Added:
    """The tokens before a text and behind it."""

    before: tuple[Token, ...]
    after: tuple[Token, ...]


def added(processor: PostProcessor) -> Added:
    """Of a processor of any kind that the `tokenizers` library has; one that is not known adds its own name."""
    match processor.type:
        case "Sequence":
            parts = [added(part) for part in processor.processors]
            before = [token for part in reversed(parts) for token in part.before]
            return Added(tuple(before), tuple(token for part in parts for token in part.after))
        case "TemplateProcessing":
            return _of_template(processor)
        case "ByteLevel":
            return Added((), ())
        case "RobertaProcessing" | "BertProcessing":
            return Added(_token(processor.cls), _token(processor.sep))
        case other:
            return Added((), (Token(f"what {other} adds", None),))


def _of_template(processor: PostProcessor) -> Added:
    before: list[Token] = []
    after: list[Token] = []
    side = before
    for piece in processor.single:
        if piece.sequence is not None:
            side = after
        elif piece.special is not None:
            side.extend(_meant(processor, piece.special.id))
    return Added(tuple(before), tuple(after))


def _meant(processor: PostProcessor, name: str) -> list[Token]:
    if (special := processor.special_tokens.get(name)) is None:
        return [Token(name, None)]
    return [Token(text or name, number) for text, number in zip_longest(special.tokens, special.ids)]


def _token(pair: tuple[str, int] | None) -> tuple[Token, ...]:
    return (Token(*pair),) if pair else ()
