"""Write a checkpoint as GGUF, with the header that a correct Qwen3-Embedding file carries."""

from pathlib import Path

import gguf
import numpy as np

from embedstack.models.demo.checkpoint import Checkpoint, Half

Value = str | bool | int | float | list[str] | list[int]

_NAMES = {
    "embed_tokens": "token_embd",
    "norm": "output_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def header(checkpoint: Checkpoint) -> dict[str, Value]:
    """Every key but `general.architecture`, which the writer sets itself.

    Pooling by the last token, EOS appended once and no BOS: without `pooling_type` Ollama refuses to embed, without
    `add_eos_token` the vectors are wrong (ollama #12757, llama.cpp #14234).
    """
    size, vocabulary = checkpoint.architecture, checkpoint.vocabulary
    control, normal = int(gguf.TokenType.CONTROL), int(gguf.TokenType.NORMAL)
    return {
        "general.type": "model",
        "general.name": checkpoint.name,
        "general.description": checkpoint.description,
        "general.license": "apache-2.0",
        "general.file_type": int(gguf.LlamaFileType.MOSTLY_F16),
        "general.quantization_version": gguf.GGML_QUANT_VERSION,
        "qwen3.block_count": size.layers,
        "qwen3.context_length": size.context,
        "qwen3.embedding_length": size.hidden,
        "qwen3.feed_forward_length": size.feed_forward,
        "qwen3.attention.head_count": size.heads,
        "qwen3.attention.head_count_kv": size.kv_heads,
        "qwen3.attention.key_length": size.head_dim,
        "qwen3.attention.value_length": size.head_dim,
        "qwen3.attention.layer_norm_rms_epsilon": size.rms_eps,
        "qwen3.rope.freq_base": size.rope_theta,
        "qwen3.pooling_type": int(gguf.PoolingType.LAST),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": list(vocabulary.tokens),
        "tokenizer.ggml.token_type": [control if t in vocabulary.specials else normal for t in vocabulary.tokens],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in vocabulary.merges],
        "tokenizer.ggml.eos_token_id": vocabulary.eos,
        "tokenizer.ggml.padding_token_id": vocabulary.eos,
        "tokenizer.ggml.bos_token_id": vocabulary.eos,
        "tokenizer.ggml.eot_token_id": vocabulary.id("<|im_end|>"),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": True,
    }


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `path`: matrices in f16, vectors in f32, as llama.cpp's converter does."""
    writer = gguf.GGUFWriter(path, "qwen3")
    for key, value in header(checkpoint).items():
        add(writer, key, value)
    for name, tensor in checkpoint.tensors.items():
        writer.add_tensor(tensor_name(name), _stored(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensor_name(name: str) -> str:
    """llama.cpp's name of a Hugging Face tensor: layers.0.self_attn.q_proj.weight -> blk.0.attn_q.weight."""
    stem = name.removesuffix(".weight")
    if not stem.startswith("layers."):
        return f"{_NAMES[stem]}.weight"
    _, layer, part = stem.split(".", 2)
    return f"blk.{layer}.{_NAMES[part]}.weight"


def _stored(tensor: Half) -> Half | np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return tensor.astype(np.float32) if tensor.ndim == 1 else tensor


def add(writer: gguf.GGUFWriter, key: str, value: Value) -> None:
    """Add one key of the header, of the GGUF type that llama.cpp reads it as."""
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case list():
            writer.add_array(key, value)
