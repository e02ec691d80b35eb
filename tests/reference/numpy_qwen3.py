"""Qwen3's forward pass in plain NumPy: what every engine's vectors are compared with.

Written from the architecture, not from an engine: RMSNorm, grouped-query attention with q and k norms, rotary
positions in halves (NeoX), SwiGLU, a final norm, the last token's state, L2. It reads the Hugging Face folder and
shares no code with the builder of the demo model.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

Floats = NDArray[np.float32]

QUERIES_AT_ONCE = 512
"""Rows of the attention matrix held at a time: 6,000 tokens need 50 MB for four heads instead of 576."""


@dataclass(frozen=True)
class NumpyQwen3:
    """A model in memory: float32 weights, its config, its tokenizer (which appends EOS)."""

    config: dict[str, Any]
    weights: dict[str, Floats]
    tokenizer: Tokenizer

    @classmethod
    def load(cls, folder: Path) -> "NumpyQwen3":
        config = json.loads((folder / "config.json").read_text())
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return cls(config, read_safetensors(folder / "model.safetensors"), tokenizer)

    def ids(self, text: str) -> list[int]:
        """The token ids of `text`, EOS included."""
        return self.tokenizer.encode(text).ids

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit vectors (len(texts), hidden)."""
        return np.stack([self.vector(self.ids(text)) for text in texts])

    def vector(self, ids: Sequence[int]) -> Floats:
        """The unit vector (hidden,) of a sequence of token ids: the last token's state, then L2.

        In the last layer nothing but the last token's state is computed: nobody reads the others.
        """
        hidden: Floats = self.weights["embed_tokens.weight"][np.asarray(ids)]
        layers = self.config["num_hidden_layers"]
        for layer in range(layers):
            hidden = self._layer(f"layers.{layer}", hidden, wanted=1 if layer == layers - 1 else len(ids))
        vector: Floats = cut(self._norm("norm", hidden[-1:]), hidden.shape[1])[0]
        return vector

    def _layer(self, at: str, hidden: Floats, wanted: int) -> Floats:
        """States (wanted, hidden) of the last `wanted` tokens after this layer."""
        attended = self._attention(f"{at}.self_attn", self._norm(f"{at}.input_layernorm", hidden), wanted)
        hidden = hidden[-wanted:] + attended
        return hidden + self._feed_forward(f"{at}.mlp", self._norm(f"{at}.post_attention_layernorm", hidden))

    def _attention(self, at: str, x: Floats, wanted: int) -> Floats:
        heads, kv_heads = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        q, k, v = (self._heads(f"{at}.{part}_proj", x) for part in "qkv")
        cos, sin = rotary_angles(len(x), self.config["head_dim"], self.config["rope_theta"])
        q = rotate(self._norm(f"{at}.q_norm", q), cos, sin)[-wanted:]
        k = rotate(self._norm(f"{at}.k_norm", k), cos, sin)
        shared = np.repeat(np.arange(kv_heads), heads // kv_heads)
        return self._linear(f"{at}.o_proj", causal_attention(q, k[:, shared], v[:, shared]).reshape(wanted, -1))

    def _heads(self, name: str, x: Floats) -> Floats:
        size: int = self.config["head_dim"]
        return self._linear(name, x).reshape(len(x), -1, size)

    def _feed_forward(self, at: str, x: Floats) -> Floats:
        gate = self._linear(f"{at}.gate_proj", x)
        swish = gate * (np.tanh(gate / 2) + 1) / 2  # gate * sigmoid(gate), without an overflow in exp
        return self._linear(f"{at}.down_proj", swish * self._linear(f"{at}.up_proj", x))

    def _linear(self, name: str, x: Floats) -> Floats:
        """x (n, in) times a matrix stored (out, in)."""
        return x @ self.weights[f"{name}.weight"].T

    def _norm(self, name: str, x: Floats) -> Floats:
        mean_square = np.mean(x * x, axis=-1, keepdims=True) + np.float32(self.config["rms_norm_eps"])
        normed: Floats = x / np.sqrt(mean_square) * self.weights[f"{name}.weight"]
        return normed


def causal_attention(q: Floats, k: Floats, v: Floats) -> Floats:
    """softmax(q k / sqrt(d)) v (m, heads, d) of the last m tokens' queries over k and v (tokens, heads, d)."""
    q, k, v = (part.transpose(1, 0, 2) for part in (q, k, v))
    before, scale = k.shape[1] - q.shape[1], np.float32(q.shape[2] ** -0.5)
    rows = []
    for start in range(0, q.shape[1], QUERIES_AT_ONCE):
        part = q[:, start : start + QUERIES_AT_ONCE]
        seen = before + start + part.shape[1]
        scores = part @ k[:, :seen].transpose(0, 2, 1) * scale
        later = np.arange(seen) > np.arange(before + start, seen)[:, None]
        scores[:, later] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        rows.append(weights @ v[:, :seen] / weights.sum(axis=-1, keepdims=True))
    return np.concatenate(rows, axis=1).transpose(1, 0, 2)


def rotary_angles(tokens: int, size: int, theta: float) -> tuple[Floats, Floats]:
    """cos and sin (tokens, 1, size / 2) of position * theta^(-2i / size)."""
    angles = np.arange(tokens)[:, None, None] * theta ** (-np.arange(0, size, 2) / size)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(x: Floats, cos: Floats, sin: Floats) -> Floats:
    """Turn each pair (i, i + d/2) of x (tokens, heads, d)."""
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def read_safetensors(path: Path) -> dict[str, Floats]:
    """Every tensor of a safetensors file of float16 tensors, as float32."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    entries = json.loads(raw[8 : 8 + length])
    entries.pop("__metadata__", None)
    return {name: _tensor(raw[8 + length :], entry) for name, entry in entries.items()}


def _tensor(data: bytes, entry: dict[str, Any]) -> Floats:
    if entry["dtype"] != "F16":
        raise ValueError(f"{entry['dtype']} tensor: the fixtures hold float16 only")
    start, end = entry["data_offsets"]
    return np.frombuffer(data[start:end], dtype="<f2").reshape(entry["shape"]).astype(np.float32)


def cut(vectors: Floats, dimensions: int) -> Floats:
    """The first `dimensions` components of vectors (n, d), brought to length one."""
    short = vectors[:, :dimensions]
    unit: Floats = short / np.linalg.norm(short, axis=1, keepdims=True)
    return unit
