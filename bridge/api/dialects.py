"""Fields of other services' APIs that change the vector. They are read as our own field, or refused with advice.

Fields that are not in these tables change no vector in any service, and are ignored as Ollama ignores them. Names are
compared without case, underscores and hyphens: `outputDimensionality` is `output_dimensionality`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from embedstack.bridge.api.body import Object
from embedstack.bridge.errors import BadRequest, DimensionsOutOfRange, shown
from embedstack.bridge.text.prompts import ROLE_FIELDS
from embedstack.models.catalog import Model

# Our own fields, their names in other services, and those services.
SAME: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "dimensions": {
            "output_dimension": "Voyage, Cohere, Mistral",
            "output_dimensions": "",
            "output_dimensionality": "Gemini",
            "dimension": "DashScope",
            "dimensionality": "Nomic",
            "truncate_dim": "sentence-transformers",
        },
        "truncate": {"truncation": "Voyage", "auto_truncate": "Vertex AI"},
    }
)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A field that is refused unless its value changes nothing. `users`: the services that have it. `harmless`: the
    values that change nothing, text in lower case. `way`: what to do instead.
    """

    name: str
    users: str
    harmless: tuple[bool | int | str, ...]
    way: str

    def allows(self, value: Any) -> bool:
        """Null and empty values ask for nothing; a list asks for each of its values."""
        if value is None or value == "" or value == {}:
            return True
        if isinstance(value, list):
            return all(one is not None and not isinstance(one, list) and self.allows(one) for one in value)
        said = value.strip().lower() if isinstance(value, str) else value
        return any(type(said) is type(one) and said == one for one in self.harmless)


_FLOAT = ("float", "float32")
_LAST = ("last", "last_token", "lasttoken")
_NUMBERS = (
    "Numbers are float32 here, in a list or, with `encoding_format` on /v1/embeddings, in base64: remove it, and "
    "convert the vectors that come."
)
_LENGTH = "Vectors have length 1 here, which changes no cosine: remove it, and scale the vectors that come."
_ONE = "Each text has one vector here, that of its last token, as Qwen3-Embedding was trained: remove it."
_ROLE = "say what the text is for by `instruction`, `input_type` or `task`."
_CUT = "Remove it, and send `truncate: true`, which cuts at the engine's own limit, or shorter texts."
_START = 'Remove it, and send `truncate: "START"`, which cuts the beginning.'
_CHAT = "Remove it, and send the text as `input`, and what it is for as `instruction`."
_ONLY_TEXT = "Only text is embedded here: remove it."

FOREIGN: tuple[Foreign, ...] = (
    Foreign("output_dtype", "Voyage, Mistral", _FLOAT, _NUMBERS),
    Foreign("embedding_type", "Jina, NVIDIA", _FLOAT, _NUMBERS),
    Foreign("embedding_types", "Cohere, Amazon Titan", _FLOAT, _NUMBERS),
    Foreign("embed_dtype", "vLLM", _FLOAT, _NUMBERS),
    Foreign("precision", "sentence-transformers", _FLOAT, _NUMBERS),
    Foreign("encoding_format", "OpenAI", ("float", "base64"), _NUMBERS),
    Foreign("endianness", "vLLM", ("native", "little"), "base64 is little-endian here: remove it, and swap the bytes."),
    Foreign("normalized", "Jina, Mixedbread", (True,), _LENGTH),
    Foreign("normalize", "TEI, vLLM, Fireworks, Amazon Titan", (True,), _LENGTH),
    Foreign("normalize_embeddings", "sentence-transformers", (True,), _LENGTH),
    Foreign("embd_normalize", "llama-server", (2,), _LENGTH),
    Foreign("use_activation", "vLLM", (True,), _LENGTH),
    Foreign("pooling", "", _LAST, _ONE),
    Foreign("pooling_type", "", _LAST, _ONE),
    Foreign("pooling_strategy", "", _LAST, _ONE),
    Foreign("late_chunking", "Jina", (False,), "Each text is embedded by itself here: remove it."),
    Foreign("return_multivector", "Jina", (False,), _ONE),
    Foreign("return_sparse", "", (False,), _ONE),
    Foreign("output_type", "DashScope", ("dense",), _ONE),
    Foreign("output_value", "sentence-transformers", ("sentence_embedding",), _ONE),
    Foreign("add_special_tokens", "vLLM", (True,), "The vector is that of the end-of-text token: remove it."),
    Foreign("truncate_prompt_tokens", "vLLM", (-1,), _CUT),
    Foreign("truncate_input_tokens", "watsonx", (-1,), _CUT),
    Foreign("max_tokens", "Cohere", (), _CUT),
    Foreign("max_tokens_per_text", "Nomic", (), _CUT),
    Foreign("max_length", "", (), _CUT),
    Foreign("long_text_mode", "Nomic", ("truncate",), _CUT),
    Foreign("truncation_direction", "TEI", ("right",), _START),
    Foreign("truncation_side", "vLLM", ("right",), _START),
    Foreign("instruct", "DashScope", (), "Send it as `instruction`."),
    Foreign("custom_instruction", "DeepInfra", (), "Send it as `instruction`."),
    Foreign("prompt", "Mixedbread, sentence-transformers", (), f"Send the text as `input`, and {_ROLE}"),
    Foreign("prompt_template", "Fireworks", (), f"Remove it, and {_ROLE}"),
    Foreign("title", "Gemini", (), "Put it before the text in `input`."),
    Foreign("messages", "vLLM", (), _CHAT),
    Foreign("chat_template", "vLLM", (), _CHAT),
    Foreign("chat_template_kwargs", "vLLM", (), _CHAT),
    Foreign("add_generation_prompt", "vLLM", (False,), _CHAT),
    Foreign("continue_final_message", "vLLM", (False,), _CHAT),
    Foreign("image", "", (), _ONLY_TEXT),
    Foreign("images", "Cohere", (), _ONLY_TEXT),
    Foreign("modality", "Infinity, NVIDIA", ("text",), _ONLY_TEXT),
)


def _key(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


_OWN = ("dimensions", "truncate", "instruction", *ROLE_FIELDS)
_OURS = {_key(name): own for own in _OWN for name in (own, *SAME.get(own, ()))}
_FOREIGN = {_key(field.name): field for field in FOREIGN}
# The fields that most clients send. A body with no others needs no further check.
_PLAIN = frozenset({"model", "input", "dimensions", "truncate", "keep_alive", "user", "instruction", *ROLE_FIELDS})
_LONGEST_NAME = 60


def understood(body: Object, model: Model, *own: str) -> Object:
    """The body with names in lower case. Fields that change the vector get our own names, also those within `options`.
    `own`: fields that the route itself reads, such as `prompt`. BadRequest and DimensionsOutOfRange, which name the
    field as it was sent.
    """
    if body.keys() <= _PLAIN or (own and body.keys() - own <= _PLAIN):
        return body
    read = {name.lower(): value for name, value in body.items()}
    asked: dict[str, dict[str, Any]] = {}
    for name, sent, value in _said(body):
        key = _key(name)
        if key in _OURS:
            asked.setdefault(_OURS[key], {})[sent] = value
        elif key in _FOREIGN and name.lower() not in own and not _FOREIGN[key].allows(value):
            raise _refused(sent, value, _FOREIGN[key])
    for field, said in asked.items():
        _check_sizes(field, said, model)
        read[field] = _agreed(said)
    return read


def _said(body: Object) -> Iterator[tuple[str, str, Any]]:
    """Each field that is not null: its name, its name as sent (`options.NAME` within `options`), and its value."""
    for name, value in body.items():
        if name.lower() == "options" and isinstance(value, dict):
            for inner, given in value.items():
                if given is not None:
                    yield inner, f"options.{inner}", given
        elif value is not None:
            yield name, name, value


def _check_sizes(field: str, said: Mapping[str, Any], model: Model) -> None:
    """Check other services' fields for the dimensions. `dimensions` itself is checked with the route and the model's
    name.
    """
    if field != "dimensions":
        return
    for name, value in said.items():
        if name != field and not (type(value) is int and model.min_dimensions <= value <= model.dimensions):
            raise DimensionsOutOfRange(value, model.min_dimensions, model.dimensions, field=name)


def _agreed(said: Mapping[str, Any]) -> Any:
    (name, value), *others = said.items()
    for other, different in others:
        if _folded(different) != _folded(value):
            raise BadRequest(
                f"The request contradicts itself: {name}={shown(value)} and {other}={shown(different)}.",
                "Send one of them.",
                code="contradictory_fields",
            )
    return value


def _folded(value: Any) -> Any:
    """For comparison: `true` differs from 1, and case does not matter."""
    return type(value), value.strip().lower() if isinstance(value, str) else value


def _refused(name: str, value: Any, field: Foreign) -> BadRequest:
    whose = f", a field of {field.users}" if field.users else ""
    return BadRequest(
        f"`{name[:_LONGEST_NAME]}` is {shown(value)}{whose}: it asks for another vector than is made here.",
        field.way,
        code="unsupported_field",
    )
