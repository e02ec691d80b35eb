"""What leaves a door: JSON, the headers that say what was done, and each API's own error shape."""

from collections.abc import Sequence
from typing import Any

import orjson
from starlette.responses import Response

from bridge.errors import BridgeError

JSON = "application/json; charset=utf-8"
# A header that names thousands of texts would be refused by clients and proxies (8 KiB is a common bound).
_MOST_NAMED = 50


def json_answer(value: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """`value` may hold NumPy arrays; float32 is written with as many digits as it needs to come back the same."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON, headers=headers)


def notes(truncated: Sequence[int] = (), ignored: Sequence[str] = ()) -> dict[str, str]:
    """Headers for what a client would want to know: texts that were cut, options that were not obeyed."""
    headers = {}
    if truncated:
        named = ",".join(map(str, truncated[:_MOST_NAMED]))
        headers["X-Embed-Truncated"] = (
            named if len(truncated) <= _MOST_NAMED else f"{named}, ... {len(truncated)} in all"
        )
    if ignored:
        headers["X-Embed-Ignored"] = ",".join(ignored)
    return headers


def error_answer(path: str, error: BridgeError) -> Response:
    """In the shape of the API that `path` belongs to; the stable code always stands in X-Embed-Error as well."""
    headers = {"X-Embed-Error": error.code}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    shape = _openai if path.startswith("/v1/") or path == "/embeddings" else _ollama
    return Response(orjson.dumps(shape(error)), error.status, headers, JSON)


def _ollama(error: BridgeError) -> dict[str, Any]:
    return {"error": str(error)}


def _openai(error: BridgeError) -> dict[str, Any]:
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    return {"error": {"message": str(error), "type": kind, "param": None, "code": error.code}}
