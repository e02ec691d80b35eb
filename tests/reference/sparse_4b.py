"""Qwen3-Embedding-4B at Q4_K_M without its weights: vocabulary, tensors and length are those of the real file."""

import struct
from math import prod
from pathlib import Path

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from tests.reference import gguf_bytes
from tests.reference.gguf_bytes import text

LAYERS, HIDDEN, FEED_FORWARD, QUERIES, KEYS, HEAD, TOKENS = 36, 2560, 9728, 4096, 1024, 128, 151665
ALIGNMENT = 32
F32, Q4_K, Q6_K = GGMLQuantizationType.F32, GGMLQuantizationType.Q4_K, GGMLQuantizationType.Q6_K

VALUES: dict[str, gguf_bytes.Value] = {
    "general.file_type": 15,
    "qwen3.block_count": LAYERS,
    "qwen3.context_length": 40960,
    "qwen3.embedding_length": HIDDEN,
    "qwen3.feed_forward_length": FEED_FORWARD,
    "qwen3.attention.head_count": 32,
    "qwen3.attention.head_count_kv": 8,
    "qwen3.attention.key_length": HEAD,
    "qwen3.attention.value_length": HEAD,
}

Shape = tuple[int, ...]


def write(path: Path, random_gguf: Path) -> Path:
    """A sparse file of 2.5 GB, with the vocabulary of the random-weights fixture, which is Qwen's own."""
    found = gguf_bytes.header_of(random_gguf)
    keys = gguf_bytes.patched(found[: found.index(text("token_embd.weight"))], VALUES)
    listed, length = _listed()
    header = keys[:8] + struct.pack("<Q", len(tensors())) + keys[16:] + listed
    header += bytes(-len(header) % ALIGNMENT)
    return gguf_bytes.sparse(path, header, len(header) + length)


def tensors() -> dict[str, tuple[Shape, GGMLQuantizationType]]:
    """Name to shape and type, as llama-quantize chooses them for Q4_K_M: 145 f32, 216 q4_K, 37 q6_K."""
    found: dict[str, tuple[Shape, GGMLQuantizationType]] = {
        "token_embd.weight": ((HIDDEN, TOKENS), Q6_K),
        "output_norm.weight": ((HIDDEN,), F32),
    }
    for layer in range(LAYERS):
        better = Q6_K if layer < 4 or layer >= 31 or (layer - 4) % 3 == 2 else Q4_K
        parts: dict[str, tuple[Shape, GGMLQuantizationType]] = {
            **dict.fromkeys(("attn_norm", "ffn_norm"), ((HIDDEN,), F32)),
            **dict.fromkeys(("attn_q_norm", "attn_k_norm"), ((HEAD,), F32)),
            "attn_q": ((HIDDEN, QUERIES), Q4_K),
            "attn_k": ((HIDDEN, KEYS), Q4_K),
            "attn_v": ((HIDDEN, KEYS), better),
            "attn_output": ((QUERIES, HIDDEN), Q4_K),
            **dict.fromkeys(("ffn_gate", "ffn_up"), ((HIDDEN, FEED_FORWARD), Q4_K)),
            "ffn_down": ((FEED_FORWARD, HIDDEN), better),
        }
        found |= {f"blk.{layer}.{name}.weight": part for name, part in parts.items()}
    return found


def _listed() -> tuple[bytes, int]:
    """The tensors as the header lists them, and the bytes of their data."""
    listed, offset = bytearray(), 0
    for name, (shape, kind) in tensors().items():
        listed += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, int(kind), offset)
        weights, size = GGML_QUANT_SIZES[kind]
        offset += -(-(prod(shape) // weights * size) // ALIGNMENT) * ALIGNMENT
    return bytes(listed), offset
