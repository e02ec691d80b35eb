"""The request that the doors see: Starlette's, but each header is found in one step."""

from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

_SCOPE_KEY = "headers_by_name"


class FirstHeaders(Headers):
    """If a name occurs twice, the first counts. Starlette compares a name with every header in turn, and most of the
    dozen headers that the bridge looks for are absent.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._all: list[tuple[bytes, bytes]] = scope["headers"]
        self._first: dict[bytes, bytes] = dict(reversed(self._all))
        scope[_SCOPE_KEY] = self

    def get(self, key: str, default: Any = None) -> Any:
        value = self._first.get(key.encode("latin-1"))
        return default if value is None else value.decode("latin-1")

    def repeats(self, key: str) -> bool:
        """Whether a name occurs more than once."""
        return len(self._first) < len(self._all) and len(self.getlist(key)) > 1


class HeadersRequest(Request):
    """Uses the headers that the guard has already parsed."""

    @property
    def headers(self) -> Headers:
        known: Headers | None = self.scope.get(_SCOPE_KEY)
        return super().headers if known is None else known
