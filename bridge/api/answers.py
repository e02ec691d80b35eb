"""What leaves a door: JSON, the headers that say what was done, and each API's own error shape."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson
from starlette.responses import Response

from embedstack.bridge.api.astray import speaks_openai
from embedstack.bridge.api.long_answer import LONG, SLICE, LongAnswer, pieces
from embedstack.bridge.api.witness import Witness
from embedstack.bridge.errors import BridgeError
from embedstack.bridge.request import EmbedRequest, EmbedResult, Found, Stages

JSON = "application/json; charset=utf-8"
# A header that names thousands of texts would be refused by clients and proxies (8 KiB is a common bound).
_MOST_NAMED = 50


def json_answer(value: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """`value` may hold NumPy arrays; float32 is written with as many digits as it needs to come back the same."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON, headers=headers)


def embed_answer(
    value: dict[str, Any],
    asked: EmbedRequest,
    result: EmbedResult,
    ignored: Sequence[str],
    door: str,
    witness: Witness,
) -> Response:
    """The vectors, and in headers what was done for them."""
    if is_long(result):
        slices = pieces(value, "data" if "data" in value else "embeddings", max(1, SLICE // len(result.vectors[0])))
        return LongAnswer(slices, _headers(result, ignored, None), partial(witness.answered, door, asked, result))
    began = time.perf_counter()
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    encode = time.perf_counter() - began
    witness.answered(door, asked, result, encode, len(body))
    return _Vectors(body, _headers(result, ignored, encode))


def is_long(result: EmbedResult) -> bool:
    """Whether it is written in slices; then a list in its answer may be one that is made entry by entry."""
    return len(result.vectors) * len(result.vectors[0]) > LONG


def _headers(result: EmbedResult, ignored: Sequence[str], encode: float | None) -> list[tuple[bytes, bytes]]:
    headers = [
        ("x-embed-cache", _found(result.found)),
        ("x-embed-fingerprint", result.fingerprint),
        ("server-timing", _timing(result.stages, encode)),
        ("content-type", JSON),
    ]
    if result.truncated:
        headers.append(("x-embed-truncated", _places(result.truncated)))
    if result.corrected:
        headers.append(("x-embed-corrected", _places(result.corrected)))
    if ignored:
        headers.append(("x-embed-ignored", ",".join(ignored)))
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]


class _Vectors(Response):
    """Starlette's own constructor looks at each header twice and copies the body; this is the answer that counts."""

    def __init__(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code, self.background, self.body = 200, None, body
        self.raw_headers = [*headers, (b"content-length", str(len(body)).encode())]


def ignored_note(ignored: Sequence[str]) -> dict[str, str]:
    """Options that were not obeyed, for an answer without vectors."""
    return {"X-Embed-Ignored": ",".join(ignored)} if ignored else {}


def _places(texts: Sequence[int]) -> str:
    named = ",".join(map(str, texts[:_MOST_NAMED]))
    return named if len(texts) <= _MOST_NAMED else f"{named}, ... {len(texts)} in all"


def _found(found: Found) -> str:
    """One word where it holds for every text, else how many of each."""
    counts = {"hit": found.hit, "joined": found.joined, "miss": found.miss}
    some = [name for name, count in counts.items() if count]
    return some[0] if len(some) == 1 else ", ".join(f"{name}={counts[name]}" for name in some)


def _timing(stages: Stages, encode: float | None) -> str:
    """Milliseconds, as https://www.w3.org/TR/server-timing/ has them. A long answer is written after its head."""
    written = "" if encode is None else f", encode;dur={encode * 1000:.3f}"
    return (
        f"cache;dur={stages.cache * 1000:.3f}, queue;dur={stages.queue * 1000:.3f}, "
        f"engine;dur={stages.engine * 1000:.3f}{written}"
    )


def error_answer(path: str, error: BridgeError) -> Response:
    """In the shape of the API that `path` belongs to; the stable code always stands in X-Embed-Error as well."""
    headers = {"X-Embed-Error": error.code}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    shape = _openai if speaks_openai(path) else _ollama
    return Response(orjson.dumps(shape(error)), error.status, headers, JSON)


def _ollama(error: BridgeError) -> dict[str, Any]:
    return {"error": str(error)}


def _openai(error: BridgeError) -> dict[str, Any]:
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    return {"error": {"message": str(error), "type": kind, "param": None, "code": error.code}}
