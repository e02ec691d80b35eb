"""The key that a request brings, and whose it is."""

import hmac
from collections.abc import Mapping, Sequence

from starlette.requests import Request

from embedstack.bridge.api.local import outsider
from embedstack.bridge.errors import Forbidden
from embedstack.bridge.settings.security import ApiKey, Security


def given(headers: Mapping[str, str]) -> str:
    """As Bearer token, else in X-Api-Key; "" where there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    # A header's own white space alone: to Python, the last byte of `à` in UTF-8 is white space too.
    return token.strip(" \t") if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def known(sent: str, keys: Sequence[ApiKey]) -> ApiKey | None:
    """Every key is compared, and each in constant time, so that the time tells neither which nor how much matched."""
    said = sent.encode("latin-1")  # as the header's bytes came: a key may be any UTF-8
    matches = [hmac.compare_digest(said, (key.key or "").encode()) for key in keys]
    return keys[matches.index(True)] if any(matches) else None


def accepted(security: Security) -> tuple[ApiKey, ...]:
    """Every key there is, the administrator's own too; none where `api_keys` ask nobody for one."""
    return (*security.api_keys, *_own(security)) if security.api_keys else ()


class Admins:
    """Who may use the admin routes."""

    def __init__(self, security: Security) -> None:
        self._keys = (*_own(security), *(key for key in security.api_keys if key.admin))
        self._is_open = not security.api_keys and not security.admin_key

    def check(self, request: Request) -> None:
        """Forbidden without an admin key; where there is no key at all, for whoever is no program on this machine."""
        if known(given(request.headers), self._keys):
            return
        who = outsider(request) if self._is_open else "somebody without one"
        if who:
            raise Forbidden(
                f"This needs an admin key, and {who} has asked.",
                "Send that of security.admin_key_file, or one of security.api_keys that has `admin: true`.",
                code="not_admin",
            )


def _own(security: Security) -> tuple[ApiKey, ...]:
    return (ApiKey(name="admin", key=security.admin_key, admin=True),) if security.admin_key else ()
