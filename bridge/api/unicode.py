"""Strings that no UTF-8 can hold: half of a pair of surrogates, in a body, a path, a query or a header.

Nothing can store such a string, or repeat it in an answer. Texts to embed are the exception: in those it becomes U+FFFD
(bridge.text), as in Ollama.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from embedstack.bridge.errors import BadRequest, encodable, shown

# A surrogate as UTF-8 would write it; in Latin-1 these are a letter and two control characters, which no text has.
_ENCODED = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_LONGEST_NAME = 60  # characters of a field's name


def refuse_fields(body: Mapping[str, Any]) -> None:
    """BadRequest that names the field with such a string as its name, its value, or within that, however deep."""
    for name, value in body.items():
        waiting = [name, value]
        while waiting:
            inner = waiting.pop()
            if isinstance(inner, dict):
                waiting += (part for pair in inner.items() for part in pair)
            elif isinstance(inner, list):
                waiting += inner
            elif isinstance(inner, str) and encodable(inner) is not inner:
                raise _refusal(f"`{encodable(name[:_LONGEST_NAME])}`", inner)


def refuse_head(scope: Scope) -> None:
    """BadRequest that names where in its first line or headers a request has such a string."""
    for part, name in (("raw_path", "path"), ("query_string", "query")):
        target: bytes = scope.get(part) or b""
        if b"%" in target and (found := _ENCODED.search(unquote_to_bytes(target))):
            raise _refusal(f"The {name}", found[0])
    headers = scope["headers"]
    if b"\xed" not in b"".join([value for _, value in headers]):
        return  # almost every request: half a microsecond
    for name, value in headers:
        if found := _ENCODED.search(value):
            raise _refusal(f"The header {name.decode('latin-1')}", found[0])


def _refusal(where: str, value: str | bytes) -> BadRequest:
    return BadRequest(
        f"{where} holds {shown(value)}, which is half of a character: UTF-8 cannot hold it.",
        "Send whole characters, of a pair of surrogates always both.",
        code="invalid_string",
    )
