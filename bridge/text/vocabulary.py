"""Qwen's byte-level BPE tokenizer, built from whatever the engine keeps its vocabulary in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizers

from embedstack.models.gguf import header as gguf_header
from embedstack.readers import content

# Qwen2's pre-tokenizer (tokenizer.json of every Qwen3-Embedding); "qwen2" in a GGUF means this expression.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Token types of a GGUF (llama.cpp `llama_token_type`) that are matched before the text is split.
CONTROL, USER_DEFINED = 3, 4
MOST_BYTES = 64 * 2**20  # of a tokenizer.json; Qwen's has 11 MB


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a GGUF header says of its tokenizer: the tokens by id, the merges by rank, each token's type."""

    tokens: Sequence[str]
    merges: Sequence[str]
    types: Sequence[int]
    pre: str = "qwen2"

    def tokenizer(self) -> Tokenizer:
        """ValueError where the vocabulary is not Qwen2's kind: counting with another split would be a guess."""
        self.check()
        added = [i for i, kind in enumerate(self.types) if kind in (CONTROL, USER_DEFINED)]
        ids = {token: i for i, token in enumerate(self.tokens)}
        merges = [_pair(merge) for merge in self.merges]
        with _refusing():
            tokenizer = Tokenizer(BPE(vocab=ids, merges=merges))
        tokenizer.normalizer = NFC()
        split = Split(Regex(QWEN2_SPLIT), behavior="isolated")
        byte_level = ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = PreTokenizers([split, byte_level])
        tokenizer.add_tokens([AddedToken(self.tokens[i], normalized=False, special=False) for i in added])
        return tokenizer

    def check(self) -> None:
        """ValueError where no tokenizer can be built from it."""
        if self.pre != "qwen2":
            raise ValueError(f"the vocabulary is split by {str(self.pre)[:40]!r}, not by 'qwen2'")
        if not self.tokens or not all(isinstance(token, str) for token in (*self.tokens, *self.merges)):
            raise ValueError("it has no tokens, or some that are not text")
        if len(self.types) != len(self.tokens):
            raise ValueError(f"it has {len(self.tokens):,} tokens and the types of {len(self.types):,}")
        known = set(self.tokens)
        for number, merge in enumerate(self.merges):
            left, right = _pair(merge)
            if left not in known or right not in known or left + right not in known:
                raise ValueError(f"its merge {number}, {merge[:40]!r}, names tokens that it does not have")


def from_gguf(path: Path) -> Vocabulary:
    """OSError where it cannot be read, ValueError where it is not a GGUF or carries no BPE vocabulary."""
    header = gguf_header.read(path, [f"tokenizer.ggml.{key}" for key in ("tokens", "merges", "token_type", "pre")])

    def listed(key: str) -> list[gguf_header.Scalar]:
        value = header.get(f"tokenizer.ggml.{key}")
        if not isinstance(value, list):
            raise ValueError(f"{path} has no tokenizer.ggml.{key}: it is not a Qwen3-Embedding GGUF")
        return value

    return Vocabulary(
        tokens=[str(token) for token in listed("tokens")],
        merges=[str(merge) for merge in listed("merges")],
        types=[kind if isinstance(kind, int) else 0 for kind in listed("token_type")],
        pre=str(header.get("tokenizer.ggml.pre", "not named")),
    )


def quantisation_of(path: Path) -> str | None:
    """`Q4_K_M`, `F16`, …: general.file_type by its name in llama.cpp; None where the header does not say."""
    return gguf_header.file_type(gguf_header.read(path, [gguf_header.FILE_TYPE]).get(gguf_header.FILE_TYPE))


def load(path: Path) -> Tokenizer:
    """From a GGUF, a tokenizer.json, or a folder that holds one. OSError or ValueError where that fails."""
    if path.is_dir():
        path = path / "tokenizer.json"
    if path.suffix == ".gguf":
        return from_gguf(path).tokenizer()
    if not path.is_file():
        raise FileNotFoundError(f"no tokenizer at {path}")
    with _refusing():
        tokenizer = Tokenizer.from_str(content.read_text(path, MOST_BYTES))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        if not isinstance(tokenizer.model, BPE) or not tokenizer.encode("a 1", add_special_tokens=False).ids:
            raise ValueError("it is not the tokenizer of a Qwen3-Embedding")
    return tokenizer


@contextmanager
def _refusing() -> Iterator[None]:
    """`tokenizers` raises bare Exceptions for what it cannot use."""
    try:
        yield
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(f"it is damaged: {str(error)[:200]}") from error


def _pair(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    return left, right
