"""What the two file writers are given: a Qwen3 model in memory, whatever made its weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen2's pre-tokenizer, as in Qwen's tokenizer.json; llama.cpp knows it as `tokenizer.ggml.pre` = "qwen2"."""

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""In Qwen's own order; the first ends every text and its hidden state is the embedding."""

Half = NDArray[np.float16]


@dataclass(frozen=True)
class Architecture:
    """The sizes of a Qwen3 decoder, under the names of its config.json."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    context: int = 40960
    rope_theta: float = 1_000_000.0
    rms_eps: float = 1e-6


@dataclass(frozen=True)
class DemoVocabulary:
    """A byte-level BPE: tokens in order of their ids, spelt in GPT-2's byte alphabet, special tokens last."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    specials: tuple[str, ...] = SPECIAL_TOKENS

    def id(self, token: str) -> int:
        return self.tokens.index(token)

    @property
    def eos(self) -> int:
        return self.id("<|endoftext|>")


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to be written. `tensors` are named as in a Hugging Face Qwen3 checkpoint, rows first, float16."""

    name: str
    description: str
    architecture: Architecture
    vocabulary: DemoVocabulary
    tensors: Mapping[str, Half]
