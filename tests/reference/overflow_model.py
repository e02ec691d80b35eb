"""A tiny constructed model that overflows in f16 by the first token of a text, as Qwen3-Embedding-8B does.

Two layers. In the first a token of a certain kind lights one neuron of the feed-forward part, the more the larger its
share of what is attended to: alone at the beginning of a text it drives the neuron to some 100,000, which bf16 and Q8_0
hold and f16 does not (65,504); behind other tokens it stays far below. Nothing is made of that neuron, but in f16 the
product of an infinite number and nothing is not a number, and through the second layer every later token sees it. All
other texts have the same vectors in every precision.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf.quants import quantize

from embedstack.models.demo import gguf_file
from embedstack.models.demo.build import vocabulary
from embedstack.models.demo.checkpoint import Architecture, Checkpoint, DemoVocabulary, Half
from tests.reference.random_model import noise

ARCHITECTURE = Architecture(layers=2, hidden=256, heads=2, kv_heads=2, head_dim=128, feed_forward=64)
NAME = "Embedstack test fixture (overflows in f16 by a text's first token)"
PRECISIONS = {
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
    "Q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}
KIND, LIT = 0, 1  # coordinates: that of tokens of the kind, and what the first layer makes of their share
DRIVE = 40.0  # weight of the neuron, whose input is 7.9 at the beginning of a text and 4.4 behind one token
TRAPS = ("leave", "travel")  # words that are one token here


def write(path: Path, precision: str) -> Path:
    """The GGUF at `f16`, `bf16` or `Q8_0`."""
    kind, file_type = PRECISIONS[precision]
    model = checkpoint()
    writer = gguf.GGUFWriter(path, "qwen3")
    for key, value in (gguf_file.header(model) | {"general.file_type": int(file_type)}).items():
        gguf_file.add(writer, key, value)
    for name, tensor in model.tensors.items():
        _add(writer, gguf_file.tensor_name(name), tensor, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, name: str, tensor: Half, kind: gguf.GGMLQuantizationType) -> None:
    if tensor.ndim == 1:
        writer.add_tensor(name, tensor.astype(np.float32))
    elif kind is gguf.GGMLQuantizationType.F16:
        writer.add_tensor(name, tensor)
    else:
        writer.add_tensor(name, quantize(tensor.astype(np.float32), kind), raw_dtype=kind)


def checkpoint() -> Checkpoint:
    words = vocabulary()
    return Checkpoint(NAME, NAME, ARCHITECTURE, words, tensors(words))


def tensors(words: DemoVocabulary) -> dict[str, Half]:
    size = ARCHITECTURE
    inner = size.heads * size.head_dim
    named: dict[str, Half] = {"embed_tokens.weight": _embeddings(words), "norm.weight": _ones(size.hidden)}
    for layer in range(size.layers):
        value, output = np.zeros((2, inner, size.hidden))
        if layer == 0:
            value[0, KIND] = 1
            output[LIT, 0] = 1
        else:
            # Every token's own meaning, averaged: what makes the vector of a text.
            value[:] = np.eye(inner, size.hidden)
            output[2:] = np.eye(size.hidden, inner)[2:]
        gate = np.zeros((size.feed_forward, size.hidden))
        if layer == 0:
            gate[0, LIT] = DRIVE
        named |= {
            f"layers.{layer}.{name}.weight": np.ascontiguousarray(weight, dtype=np.float16)
            for name, weight in {
                "self_attn.q_proj": np.zeros((inner, size.hidden)),
                "self_attn.k_proj": np.zeros((inner, size.hidden)),
                "self_attn.v_proj": value,
                "self_attn.o_proj": output,
                "self_attn.q_norm": np.ones(size.head_dim),
                "self_attn.k_norm": np.ones(size.head_dim),
                "mlp.gate_proj": gate,
                "mlp.up_proj": gate,
                "mlp.down_proj": np.zeros((size.hidden, size.feed_forward)),
                "input_layernorm": np.ones(size.hidden),
                "post_attention_layernorm": np.ones(size.hidden),
            }.items()
        }
    return named


def _embeddings(words: DemoVocabulary) -> Half:
    """Random directions; a token of the kind says so in a coordinate of its own."""
    rows = noise("overflow embeddings", (len(words.tokens), ARCHITECTURE.hidden))
    rows[:, [KIND, LIT]] = 0
    for word in TRAPS:
        rows[words.id(word), KIND] = 4
    return rows


def _ones(size: int) -> Half:
    return np.ones(size, dtype=np.float16)
