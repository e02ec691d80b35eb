"""A GGUF in the shape of a Qwen3-Embedding, with random weights at Q8_0: it costs an engine what the real file costs.

Its vectors mean nothing. `python -m tests.reference.real_shape 0.6b` writes it into the cache and prints its path.
"""

import sys
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import quantize

from embedstack.models.demo import gguf_file
from embedstack.models.demo.build import default_folder
from embedstack.models.demo.checkpoint import Architecture, Checkpoint
from tests.reference import random_model

SHAPES = {
    "0.6b": Architecture(layers=28, hidden=1024, heads=16, kv_heads=8, head_dim=128, feed_forward=3072),
    "4b": Architecture(layers=36, hidden=2560, heads=32, kv_heads=8, head_dim=128, feed_forward=9728),
}
"""By name; those of the published configurations."""
NAME = "Random weights in the shape of Qwen3-Embedding"
_Q8_0 = 7  # general.file_type
_EMBEDDING_SCALE = 0.02


def build(shape: str) -> Path:
    """The file, made once, in half a minute for 0.6b. Up to one layer's weights are in memory."""
    file = default_folder().parent / f"real-shape-{shape}-q8_0.gguf"
    if not file.exists():
        made = file.with_suffix(".part")
        made.parent.mkdir(parents=True, exist_ok=True)
        _write(made, SHAPES[shape])
        made.rename(file)
    return file


def _write(file: Path, shape: Architecture) -> None:
    words, random = random_model.vocabulary(), np.random.default_rng(1)
    writer = gguf.GGUFWriter(file, "qwen3")
    for key, value in gguf_file.header(Checkpoint(NAME, "random", shape, words, {})).items():
        gguf_file.add(writer, key, _Q8_0 if key == "general.file_type" else value)

    def matrix(name: str, rows: int, columns: int, scale: float) -> None:
        weights = random.standard_normal((rows, columns), dtype=np.float32) * np.float32(scale)
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, quantize(weights, kind), raw_dtype=kind)

    def ones(name: str, size: int) -> None:
        writer.add_tensor(name, np.ones(size, np.float32))

    hidden, wide = shape.hidden, shape.feed_forward
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    matrix("token_embd.weight", len(words.tokens), hidden, _EMBEDDING_SCALE)
    for layer in range(shape.layers):
        for name, rows, columns in (
            ("attn_q", queries, hidden),
            ("attn_k", keys, hidden),
            ("attn_v", keys, hidden),
            ("attn_output", hidden, queries),
            ("ffn_gate", wide, hidden),
            ("ffn_up", wide, hidden),
            ("ffn_down", hidden, wide),
        ):
            matrix(f"blk.{layer}.{name}.weight", rows, columns, columns**-0.5)
        for name, size in (
            ("attn_norm", hidden),
            ("ffn_norm", hidden),
            ("attn_q_norm", shape.head_dim),
            ("attn_k_norm", shape.head_dim),
        ):
            ones(f"blk.{layer}.{name}.weight", size)
    ones("output_norm.weight", hidden)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    sys.stdout.write(f"{build(sys.argv[1])}\n")
