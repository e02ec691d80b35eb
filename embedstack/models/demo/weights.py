"""The demo model's weights: a bag of words, computed by a real Qwen3 decoder layer.

Queries and keys are zero, so attention is uniform and the last token, EOS, averages the values of all tokens. A token's
embedding is `weight * meaning + rest * ballast`: meanings lie in a subspace of 512 dimensions that the value and output
projections pass on, the ballast is orthogonal to it and only keeps all embeddings equally long, since the RMSNorm
before the attention would undo any other weighting. The feed-forward part is zero.

Every number is a sum of few integers, or of two products of exact ones, rounded once to float16, and every random bit
is read from SHAKE-256. No BLAS, thread count, NumPy version or CPU can change a bit of the file.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from embedstack.models.demo.checkpoint import Architecture, DemoVocabulary, Half
from embedstack.models.demo.lexicon import WordMeaning, meaning_of

RANK = 512
ARCHITECTURE = Architecture(layers=1, hidden=2560, heads=4, kv_heads=4, head_dim=128, feed_forward=64)

EMBEDDING_SCALE = 2.0**-5
"""Gives embeddings with components about 0.7, where the epsilon of RMSNorm does not count."""
EOS_SCALE = 2.0**-3
"""EOS stands in the residual of every text: small, so that it does not drown a long text's average."""
VALUE_SCALE = 2.0**-7
"""Gives values about 1: the f16 sums that llama.cpp's attention keeps stay far from 65,504 at 40,960 tokens."""
OUTPUT_SCALE = 2.0**-1
"""Makes one content word among ten tokens about as long as an embedding, the residual of a missing EOS included."""

Floats = NDArray[np.float32]


def tensors(vocabulary: DemoVocabulary) -> dict[str, Half]:
    """All weights of the demo model under their Hugging Face names, float16."""
    turn, size = rotation(), ARCHITECTURE
    inner, outer = np.zeros((RANK, size.hidden)), np.zeros((size.feed_forward, size.hidden))
    layer = {
        "self_attn.q_proj": inner,
        "self_attn.k_proj": inner,
        "self_attn.v_proj": turn.T * VALUE_SCALE,
        "self_attn.o_proj": turn * OUTPUT_SCALE,
        "self_attn.q_norm": np.ones(size.head_dim),
        "self_attn.k_norm": np.ones(size.head_dim),
        "mlp.gate_proj": outer,
        "mlp.up_proj": outer,
        "mlp.down_proj": outer.T,
        "input_layernorm": np.ones(size.hidden),
        "post_attention_layernorm": np.ones(size.hidden),
    }
    whole = {"embed_tokens.weight": embeddings(vocabulary), "norm.weight": np.ones(size.hidden)}
    named = whole | {f"layers.0.{name}.weight": value for name, value in layer.items()}
    return {name: np.ascontiguousarray(value, dtype=np.float16) for name, value in named.items()}


def embeddings(vocabulary: DemoVocabulary) -> NDArray[np.float64]:
    """One row a token (n, 2560): its meaning and its ballast, at one length for all tokens but EOS."""
    meant = [meaning_of(token) for token in vocabulary.tokens]
    weight = np.array([[meaning.weight] for meaning in meant])
    seen = np.stack([direction(*pair) for pair in zip(meant, vocabulary.tokens, strict=True)]) @ rotation().T
    rest = ballast()
    length = np.sqrt(np.float64(RANK * ARCHITECTURE.hidden) / np.float64(rest @ rest))
    rows: NDArray[np.float64] = (weight * seen + np.sqrt(1 - weight * weight) * (length * rest)) * EMBEDDING_SCALE
    rows[vocabulary.eos] *= EOS_SCALE
    return rows


def direction(meaning: WordMeaning, token: str) -> Floats:
    """Signs (512,): those of the meaning, but one in sixteen the token's own, so that no two tokens are the same."""
    own = np.logical_and.reduce([_bits(f"own {n} {token}", RANK) for n in range(4)])
    return np.where(own, _signs(f"token {token}", RANK), _signs(f"meaning {meaning.name}", RANK))


def rotation() -> Floats:
    """Signs (2560, 512) whose columns are orthogonal: five scrambled Hadamard matrices, their rows shuffled together.

    Shuffled, because in order the first 512 rows, or 1,024, would be a perfect rotation by themselves, and a vector
    cut there would keep every cosine exactly: MRL's cut would show nothing.
    """
    return np.concatenate(_blocks())[_shuffle()]


def ballast() -> Floats:
    """Integers (2560,), orthogonal to every column of the rotation, with energy in all coordinates."""
    pattern = _signs("ballast", RANK)
    shares = (1, -2, 1, 1, -1)  # each block gives any column its share of one number, and the shares sum to 0
    blocks = [share * (block @ pattern) for share, block in zip(shares, _blocks(), strict=True)]
    return np.concatenate(blocks)[_shuffle()]


def _blocks() -> list[Floats]:
    hadamard = np.ones((1, 1), dtype=np.float32)
    while len(hadamard) < RANK:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    return [hadamard * _signs(f"columns {block}", RANK) for block in range(ARCHITECTURE.hidden // RANK)]


def _shuffle() -> NDArray[np.intp]:
    """The order of the coordinates: of 3,000 tried, the one that keeps the guided demo's answers farthest ahead when
    vectors are cut to 32 dimensions. A trained Matryoshka model has learnt as much; 32 random coordinates have not.
    """
    keys = hashlib.shake_256(b"rows 916").digest(8 * ARCHITECTURE.hidden)
    return np.argsort(np.frombuffer(keys, dtype="<u8"), kind="stable")


def _signs(name: str, count: int) -> Floats:
    return np.where(_bits(name, count), np.float32(1), np.float32(-1))


def _bits(name: str, count: int) -> NDArray[np.bool_]:
    digest = hashlib.shake_256(name.encode()).digest(count // 8)
    return np.unpackbits(np.frombuffer(digest, dtype=np.uint8)).astype(bool)
