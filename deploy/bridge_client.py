"""The bridge over HTTP, as any client sees it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray

from embedstack.deploy.errors import BridgeRefused

TIMEOUT = 120.0  # seconds


class BridgeClient:
    """A bridge at `url`, asked with an API key if it wants one. Whatever keeps it from answering as a bridge does is
    BridgeRefused.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"
        self._session.trust_env = False  # a proxy of the environment knows no way back to this machine

    def __enter__(self) -> "BridgeClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ready(self) -> tuple[bool, str]:
        """Whether it serves; if not, why."""
        answer = self._ask("GET", "/readyz")
        if answer.ok:
            return True, ""
        return False, "; ".join(str(backend["reason"]) for backend in _json(answer)["backends"])

    def embed(
        self, texts: Sequence[str], *, model: str, dimensions: int, role: str | None = None
    ) -> NDArray[np.float32]:
        """Unit vectors (texts, dimensions). `role` None: as Ollama itself would, without an instruction."""
        body: dict[str, Any] = {"model": model, "input": list(texts), "dimensions": dimensions}
        if role:
            body["input_type"] = role
        return np.asarray(self.post("/api/embed", body)["embeddings"], dtype=np.float32)

    def render(self, text: str, *, model: str, role: str) -> str:
        """The final text that the engine would embed."""
        answer = self.post("/v1/render", {"model": model, "input": text, "input_type": role})
        return str(answer["texts"][0]["text"])

    def cache(self) -> dict[str, Any]:
        """What the cache holds, as /v1/cache tells it."""
        return self._admin("GET")

    def clear_cache(self) -> None:
        self._admin("DELETE")

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object of an answer, which must be a good one."""
        response = self._ask("POST", path, body)
        if not response.ok:
            raise BridgeRefused(f"{self.url} answered {response.status_code} to {path}: {response.text[:500]}")
        return _json(response)

    def status(self, path: str, body: dict[str, Any]) -> int:
        """The status alone, of a request that is meant to be refused."""
        return self._ask("POST", path, body).status_code

    def page(self, path: str) -> dict[str, Any] | None:
        """The JSON object at a path, whatever its status; None where there is none: another kind of server."""
        try:
            answer = self._ask("GET", path).json()
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None

    def _admin(self, method: str) -> dict[str, Any]:
        response = self._ask(method, "/v1/cache")
        if response.status_code in (401, 403):
            raise BridgeRefused(
                f"The bridge at {self.url} wants an administrator's key.",
                "Give its admin key, or one of its security.api_keys that has `admin: true`, in EMBEDSTACK_KEY or with "
                "--key.",
            )
        if not response.ok:
            raise BridgeRefused(f"The bridge answered {response.status_code} to /v1/cache: {response.text}")
        return _json(response)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        try:
            return self._session.request(method, self.url + path, json=body, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise BridgeRefused(
                f"The bridge at {self.url} gave no answer: {error}", "Start it, or name its address with --url."
            ) from error


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = response.json()
    except ValueError as error:
        raise BridgeRefused(f"What answers at {response.url} is no bridge: {response.text[:200]!r}") from error
    return answer
