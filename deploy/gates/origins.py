"""Where model files come from that are wrong in one way or another. Data.

Each is known from users' reports: llama.cpp #14234, #14252 and #14314 (EOS), ollama #12368 and #12757 (pooling).
"""

DAMAGED = "a download that was cut, a damaged disk, or another kind of file under this name"
LONGER = "two files run together, or something written behind the model"
NEWER = "a converter that is newer than this release"
_OTHER_MODEL = "another model of the family, or another family"
_NO_POOLING = (
    "a converter that lacked modules.json and 1_Pooling/config.json; Ollama takes such a file for a chat model"
)
_CHAT = "a conversion of the base or the chat model, whose texts end in another token"

# By the end of a GGUF's key.
_OF_KEY = {
    ".pooling_type": _NO_POOLING,
    ".add_eos_token": "a conversion made before June 2025, or without tokenizer.json's post-processor",
    ".add_bos_token": "a converter that took the model for one that begins its texts with a token",
    ".eos_token_id": _CHAT,
    ".padding_token_id": _CHAT,
    ".bos_token_id": _CHAT,
    ".ggml.model": "a model with another kind of tokenizer",
    ".ggml.pre": "a converter that did not know the model's way of splitting texts",
    ".ggml.tokens": "a conversion with another model's vocabulary",
    ".ggml.merges": "a conversion with another model's vocabulary",
    ".context_length": "a conversion with another context than the model was trained for",
    "tensors": "a conversion that left tensors out or doubled the embeddings, or another model",
}


def of_key(key: str) -> str:
    """Where a GGUF comes from in which this key is wrong."""
    return next((origin for end, origin in _OF_KEY.items() if key.endswith(end)), _OTHER_MODEL)


def too_narrow(why: str) -> str:
    """Where a file comes from whose numbers are too narrow for its model, and what comes of it."""
    return f"a conversion to f16 of a model that was trained in bf16: {why}"


# Of a Hugging Face folder.
NO_EOS = "the base model's tokenizer, or a tokenizer.json saved anew by a library that dropped its post-processor"
POOLING = "a checkout without modules.json and 1_Pooling/config.json, or a model pooled in another way"
MODULES = "a checkout without sentence-transformers' modules.json"
CONFIG = _OTHER_MODEL
SHARDS = "a download that was cut, or a checkout in which Git LFS left pointers in place of the shards"
