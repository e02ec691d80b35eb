"""Open WebUI over its own API, as its administrator."""

from collections.abc import Mapping
from typing import Any

import requests

from deploy.errors import PartNotReady

TIMEOUT = 60.0  # seconds


class Webui:
    """An Open WebUI at `url`. Whatever it refuses is PartNotReady."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment knows no way back to this machine

    def close(self) -> None:
        self._session.close()

    def sign_in(self, email: str, password: str) -> None:
        """PartNotReady where that is no account of it: an administrator may have changed the password."""
        told = self._ask("POST", "/api/v1/auths/signin", {"email": email, "password": password})
        self._session.headers["Authorization"] = f"Bearer {told['token']}"

    def embedding(self) -> dict[str, Any]:
        """Its embedding settings, keys in clear."""
        return self._object("GET", "/api/v1/retrieval/embedding")

    def set_embedding(self, wanted: Mapping[str, Any]) -> None:
        self._ask("POST", "/api/v1/retrieval/embedding/update", dict(wanted))

    def indexed(self) -> int:
        """How many knowledge bases and files it has: what a change of the model would leave unreadable."""
        return sum(_count(self._ask("GET", path)) for path in ("/api/v1/knowledge/", "/api/v1/files/"))

    def sign_up_is_open(self) -> bool:
        """Whether whoever reaches it can make an account."""
        features = self._object("GET", "/api/config").get("features", {})
        return bool(features.get("enable_signup"))

    def has_administrator(self) -> bool:
        """Whether somebody has an account; the first one is its administrator."""
        return not self._object("GET", "/api/config").get("onboarding", False)

    def hide(self, model: str) -> bool:
        """Keep an embedding model out of the list of chat models; False where it was kept out before."""
        known = self._ask("GET", "/api/v1/models/base")
        if any(entry["id"] == model for entry in known):
            return False
        body = {"id": model, "name": model, "meta": {"hidden": True}, "params": {}, "is_active": False}
        self._ask("POST", "/api/v1/models/create", body)
        return True

    def _object(self, method: str, path: str) -> dict[str, Any]:
        told = self._ask(method, path)
        if not isinstance(told, dict):
            raise PartNotReady(f"Open WebUI answered {told!r:.100} to {path}, which is no object.")
        return told

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = self._session.request(method, self.url + path, json=body, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise PartNotReady(f"Open WebUI at {self.url} gave no answer: {error}") from error
        try:
            told = answer.json()
        except ValueError as error:
            raise PartNotReady(f"What answers at {self.url}{path} is no Open WebUI: {answer.text[:200]!r}") from error
        if not answer.ok:
            detail = told.get("detail", told) if isinstance(told, dict) else told
            raise PartNotReady(f"Open WebUI answered {answer.status_code} to {path}: {detail}")
        return told


def _count(told: Any) -> int:
    items = told.get("items", []) if isinstance(told, dict) else told
    return len(items) if isinstance(items, list) else 0
