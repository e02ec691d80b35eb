"""Fields that several doors share, checked by type and bound; every refusal names the field and the value."""

import math
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from embedstack.bridge.api.body import Object
from embedstack.bridge.errors import BadRequest, DimensionsOutOfRange, TooLarge, shown
from embedstack.bridge.index.expectation import FINGERPRINT
from embedstack.bridge.request import Caller, KeepAlive, Lane, OnTooLong, PromptHints
from embedstack.bridge.settings.security import ApiKey
from embedstack.bridge.settings.structs import Limits
from embedstack.bridge.settings.values import WEEK
from embedstack.bridge.text.prompts import ROLE_FIELDS
from embedstack.models.catalog import Model

# Go's time.ParseDuration, which is what Ollama reads a keep_alive string with.
_DURATION = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*|[+-]?0",
    re.ASCII,
)
_LONGEST_USER = 200  # characters of a name that a client gives its user
_LONGEST_KEPT = 9e9  # seconds; Go counts nanoseconds in 64 bits
_ENDS: Mapping[str, OnTooLong] = {"none": "error", "end": "truncate", "start": "truncate_start"}
# Options of Ollama that differ from the loaded runner's reload the model (server/sched.go, needsReload).
RELOADING_OPTIONS = frozenset(
    {"num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict"}
)


def texts_of(value: Any, limits: Limits) -> tuple[str, ...]:
    """A string or a list of strings; None, "" and [] are not texts at all. BadRequest, TooLarge."""
    if value is None or value == "" or value == []:
        return ()
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        raise _bad_input(f"`input` is {shown(value)}")
    if len(texts) > limits.texts:
        raise TooLarge(
            f"The request has {len(texts)} texts; at most {limits.texts} are taken at once.",
            "Split it, or raise limits.texts.",
            code="too_many_texts",
        )
    for index, text in enumerate(texts):
        _check_text(text, index, limits)
    return tuple(texts)


def _check_text(text: Any, index: int, limits: Limits) -> None:
    if not isinstance(text, str):
        raise _bad_input(f"input {index} is {shown(text)}", tokens=_is_tokens(text))
    if len(text) * 4 > limits.text_bytes and len(text.encode("utf-8", "replace")) > limits.text_bytes:
        raise TooLarge(
            f"input {index} is larger than {limits.text_bytes} bytes.",
            "Split it, or raise limits.text_bytes.",
            code="text_too_large",
        )


def model_of(body: Object) -> str:
    """The model's name; "" where there is none, which no model answers to."""
    return _string(body, "model") or ""


def dimensions_of(body: Object, model: Model) -> int | None:
    """A whole number as JSON writes one: neither "1024" nor 1024.5 nor true. The range is the pipeline's to judge."""
    value = body.get("dimensions")
    if value is None:
        return None
    if type(value) is not int:
        raise DimensionsOutOfRange(value, model.min_dimensions, model.dimensions)
    return value


def hints_of(body: Object, headers: Mapping[str, str]) -> PromptHints:
    """What body and header say of the role. Empty strings say nothing."""
    fields = tuple((name, value) for name in ROLE_FIELDS if (value := _string(body, name)))
    return PromptHints(fields, _string(body, "instruction"), headers.get("x-embed-task") or None)


def caller_of(request: Request) -> Caller:
    """Whose turn it is, and in which lane: the key, else the address, and the user whom Open WebUI names. Who invents
    users shares his own turns among them."""
    scope, headers = request.scope, request.headers
    key: ApiKey | None = scope.get("key")
    client = scope.get("client")
    owner = f"key {key.name}" if key else str(client[0]) if client else ""
    user = headers.get("x-openwebui-user-id", "")[:_LONGEST_USER]
    lane = _lane(headers.get("x-embed-lane")) or (key.lane if key else None)
    return Caller((owner, user), lane, _timeout(headers.get("x-request-timeout")), is_webui(headers), key)


def is_webui(headers: Mapping[str, str]) -> bool:
    """Open WebUI 0.12 asks through aiohttp, whose own name it leaves in place."""
    return bool(headers.get("x-openwebui-user-id")) or "aiohttp/" in headers.get("user-agent", "")


def index_of(headers: Mapping[str, str]) -> str | None:
    """The fingerprint of the index that the vectors are for, where the client says it."""
    value = headers.get("x-embed-index")
    if not value:
        return None
    if FINGERPRINT.fullmatch(value.strip().lower()):
        return value.strip().lower()
    raise BadRequest(
        f"X-Embed-Index is {shown(value)}, but must be 16 hexadecimal digits.",
        "Send the fingerprint that GET /v1/index tells.",
        code="invalid_index",
    )


def _lane(value: str | None) -> Lane | None:
    if not value:
        return None
    if value.lower() in ("interactive", "bulk"):
        return "interactive" if value.lower() == "interactive" else "bulk"
    raise BadRequest(
        f"X-Embed-Lane is {shown(value)}, but must be interactive or bulk.", "Correct it.", code="invalid_lane"
    )


def _timeout(value: str | None) -> float | None:
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= WEEK:
        raise BadRequest(
            f"X-Request-Timeout is {shown(value)}, but must be seconds above 0.", "Send 2.5.", code="invalid_timeout"
        )
    return seconds


def keep_alive_of(body: Object) -> KeepAlive:
    value = body.get("keep_alive")
    number = isinstance(value, int | float) and type(value) is not bool and abs(value) <= _LONGEST_KEPT
    valid = value is None or number or (isinstance(value, str) and len(value) <= 64 and _DURATION.fullmatch(value))
    if not valid:
        raise BadRequest(
            f"`keep_alive` is {shown(value)}, but must be seconds or a duration with a unit.",
            'Send 300, "5m" or -1.',
            code="invalid_keep_alive",
        )
    return value if isinstance(value, int | float | str) else None


def on_too_long_of(body: Object) -> OnTooLong | None:
    """Ollama's truth value, or NVIDIA's and Cohere's word for which end goes."""
    value = body.get("truncate")
    if value is None:
        return None
    if isinstance(value, bool):
        return "truncate" if value else "error"
    if isinstance(value, str) and (found := _ENDS.get(value.lower())):
        return found
    raise BadRequest(
        f"`truncate` is {shown(value)}, but must be true or false, or NONE, START or END.",
        "Correct or remove it.",
        code="invalid_truncate",
    )


def ignored_options(body: Object) -> tuple[str, ...]:
    """Names of the options that would have made Ollama load the model again; the others change no embedding."""
    options = body.get("options")
    if options is None:
        return ()
    if not isinstance(options, dict):
        raise BadRequest(
            f"`options` is {shown(options)}, but must be an object.", "Correct or remove it.", code="invalid_options"
        )
    return tuple(sorted(name for name, value in options.items() if name in RELOADING_OPTIONS and value is not None))


def _string(body: Object, name: str) -> str | None:
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise BadRequest(
        f"`{name}` is {shown(value)}, but must be a string.", "Correct or remove it.", code=f"invalid_{name}"
    )


def _is_tokens(value: Any) -> bool:
    tokens = value if isinstance(value, list) else [value]
    return bool(tokens) and all(type(token) is int for token in tokens)


def _bad_input(found: str, *, tokens: bool = False) -> BadRequest:
    if tokens:
        return BadRequest(
            f"invalid input type: {found}: token ids of another tokenizer would give vectors of other words.",
            "Send text. In LangChain's OpenAIEmbeddings set check_embedding_ctx_length=False.",
            code="token_ids",
        )
    return BadRequest(
        f"invalid input type: {found}.", "`input` must be a string or a list of strings.", code="invalid_input"
    )
