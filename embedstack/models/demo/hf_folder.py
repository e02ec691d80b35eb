"""Write a checkpoint as a Hugging Face folder, which transformers, vLLM and sentence-transformers load.

A vocabulary as tokenizer.json and tokenizer_config.json, as Qwen3-Embedding's are.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedstack.models.demo.checkpoint import QWEN2_SPLIT, Checkpoint, DemoVocabulary, Half

_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}


def tokenizer(vocabulary: DemoVocabulary) -> dict[str, Any]:
    """tokenizer.json: NFC, Qwen2's split, byte-level BPE, and one <|endoftext|> after every text."""
    split = {"type": "Split", "pattern": {"Regex": QWEN2_SPLIT}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": vocabulary.id(token), **_added(token)} for token in vocabulary.specials],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, _BYTE_LEVEL]},
        "post_processor": {"type": "Sequence", "processors": [_BYTE_LEVEL, _appending_eos(vocabulary)]},
        "decoder": _BYTE_LEVEL,
        "model": _bpe(vocabulary),
    }


def _bpe(vocabulary: DemoVocabulary) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {token: n for n, token in enumerate(vocabulary.tokens) if token not in vocabulary.specials},
        "merges": [list(pair) for pair in vocabulary.merges],
    }


def _appending_eos(vocabulary: DemoVocabulary) -> dict[str, Any]:
    eos = "<|endoftext|>"
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    last = {"SpecialToken": {"id": eos, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [first, last],
        "pair": [first, second, last],
        "special_tokens": {eos: {"id": eos, "ids": [vocabulary.eos], "tokens": [eos]}},
    }


def config(vocabulary: DemoVocabulary, context: int) -> dict[str, Any]:
    """tokenizer_config.json. The generic class takes tokenizer.json as it stands; Qwen2Tokenizer may build its own."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": {str(vocabulary.id(token)): _added(token) for token in vocabulary.specials},
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": context,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
    }


def _added(token: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"content": token, **flags, "special": True}


QUERY_PROMPT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
"""As in Qwen3-Embedding's own config_sentence_transformers.json."""


def write(folder: Path, checkpoint: Checkpoint, card: str) -> None:
    """Write config, weights, tokenizer, pooling modules and the card (README.md) into the new folder `folder`."""
    (folder / "1_Pooling").mkdir(parents=True)
    for name, content in _documents(checkpoint).items():
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
    _write_safetensors(folder / "model.safetensors", checkpoint.tensors)


def _documents(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "config.json": _config(checkpoint),
        "tokenizer.json": tokenizer(checkpoint.vocabulary),
        "tokenizer_config.json": config(checkpoint.vocabulary, checkpoint.architecture.context),
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": checkpoint.architecture.hidden,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": False,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
            "pooling_mode_weightedmean_tokens": False,
            "pooling_mode_lasttoken": True,
            "include_prompt": True,
        },
        "config_sentence_transformers.json": {
            "prompts": {"query": QUERY_PROMPT, "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }


def _config(checkpoint: Checkpoint) -> dict[str, Any]:
    size, eos = checkpoint.architecture, checkpoint.vocabulary.eos
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": len(checkpoint.vocabulary.tokens),
        "hidden_size": size.hidden,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "head_dim": size.head_dim,
        "intermediate_size": size.feed_forward,
        "max_position_embeddings": size.context,
        "rope_theta": size.rope_theta,
        "rope_scaling": None,
        "rms_norm_eps": size.rms_eps,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "use_sliding_window": False,
        "sliding_window": None,
        "max_window_layers": size.layers,
        "tie_word_embeddings": True,
        "torch_dtype": "float16",
        "bos_token_id": eos,
        "eos_token_id": eos,
        "use_cache": True,
    }


def _write_safetensors(path: Path, tensors: Mapping[str, Half]) -> None:
    """The safetensors format: the header's length (u64), the header as JSON padded to 8 bytes, the tensors."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, tensor in tensors.items():
        entries[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [start, start + tensor.nbytes]}
        start += tensor.nbytes
    head = json.dumps(entries).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for tensor in tensors.values():
            file.write(tensor.astype("<f2", copy=False).tobytes())
