"""What a gate says of one fact of a model's files. Pure.

Where model files come from that are wrong in one way or another. Data.

Each is known from users' reports: llama.cpp #14234, #14252 and #14314 (EOS), ollama #12368 and #12757 (pooling).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from embedstack.deploy.errors import ModelRefused

Severity = Literal["pass", "warn", "fail"]

ABSENT = "absent"


@dataclass(frozen=True)
class GateVerdict:
    """`value` is what `field` says, and `must` what it must say. `origin`: where files come from that say otherwise."""

    field: str
    value: str
    must: str
    severity: Severity
    origin: str

    def __str__(self) -> str:
        return f"{self.field}: {self.value}; it must be {self.must}. Such files come from {self.origin}."


def failures(verdicts: Iterable[GateVerdict]) -> tuple[GateVerdict, ...]:
    return tuple(verdict for verdict in verdicts if verdict.severity == "fail")


def refuse(path: Path, model: str, verdicts: Iterable[GateVerdict]) -> None:
    """ModelRefused that names every failure, if there is any; `model` is the id that the file was to be."""
    if failed := failures(verdicts):
        lines = (f"  - {verdict}" for verdict in failed)
        raise ModelRefused(
            "\n".join([f"{path} would give wrong vectors:", *lines]),
            f"Nothing was given to an engine. `embedstack model pull {model}` fetches the model's own file, which is "
            "right; with a file of your own, convert it again from the model's whole folder, with a newer llama.cpp.",
        )


def judge(field: str, value: object, must: object, origin: str, *, otherwise: Severity = "fail") -> GateVerdict:
    """A pass where `value` is `must`, else `otherwise`."""
    severity: Severity = "pass" if value == must else otherwise
    return GateVerdict(field, as_text(value), as_text(must), severity, origin)


def as_text(value: object) -> str:
    """As a person reads it: None is absent, booleans as in the files, a long text is cut."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.7g}"  # what an f32 keeps
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


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
NO_EOS = "the base model's tokenizer, or a tokenizer.json saved again by a library that dropped its post-processor"
POOLING = "a checkout without modules.json and 1_Pooling/config.json, or a model pooled in another way"
MODULES = "a checkout without sentence-transformers' modules.json"
CONFIG = _OTHER_MODEL
SHARDS = "a download that was cut, or a checkout in which Git LFS left pointers in place of the shards"
