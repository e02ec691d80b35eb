"""A vocabulary as tokenizer.json and tokenizer_config.json, as Qwen3-Embedding's are."""

from typing import Any

from embedstack.models.demo.checkpoint import QWEN2_SPLIT, Vocabulary

_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}


def tokenizer(vocabulary: Vocabulary) -> dict[str, Any]:
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


def _bpe(vocabulary: Vocabulary) -> dict[str, Any]:
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


def _appending_eos(vocabulary: Vocabulary) -> dict[str, Any]:
    eos = "<|endoftext|>"
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    last = {"SpecialToken": {"id": eos, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [first, last],
        "pair": [first, second, last],
        "special_tokens": {eos: {"id": eos, "ids": [vocabulary.eos], "tokens": [eos]}},
    }


def config(vocabulary: Vocabulary, context: int) -> dict[str, Any]:
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
