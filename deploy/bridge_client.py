"""The bridge over HTTP: as any client sees it, and its own routes as an administrator, with the key that is known here
of a stack's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from embedstack.contract import wire
from embedstack.contract.answers import CacheStats, IndexFacts, Readiness, TraceRecord, is_bridge
from embedstack.deploy import record, secrets
from embedstack.deploy.errors import BridgeRefused, NotRunning, PartNotReady
from embedstack.deploy.http import HttpServer, NoAnswer, Response
from embedstack.deploy.places import places

TIMEOUT = 120.0  # seconds
T = TypeVar("T")


class BridgeClient:
    """A bridge at `url`, asked with an API key if it wants one. Whatever keeps it from answering as a bridge does is
    BridgeRefused.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._server = HttpServer(url, key)

    def __enter__(self) -> "BridgeClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def ready(self) -> tuple[bool, str]:
        """Whether it serves; if not, why."""
        answer = self._ask("GET", "/readyz")
        if answer.ok:
            return True, ""
        chosen = self._read(Readiness, _json(answer))
        return False, "; ".join(str(backend.reason) for backend in chosen.backends)

    def readiness(self) -> Readiness | None:
        """What a bridge says of itself and its engines; None where another kind of server answers."""
        said = self.page("/readyz")
        return self._read(Readiness, said) if is_bridge(said) else None

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

    def cache(self) -> CacheStats:
        """What the cache holds."""
        return self._read(CacheStats, _json(self._admin("GET")))

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

    def _read(self, kind: type[T], said: object) -> T:
        try:
            return wire.read(kind, said)
        except ValueError as error:
            raise BridgeRefused(f"What answers at {self.url} is not a bridge: {error}") from error

    def _admin(self, method: str) -> Response:
        response = self._ask(method, "/v1/cache")
        if response.status_code in (401, 403):
            raise BridgeRefused(
                f"The bridge at {self.url} wants an administrator's key.",
                "Give its admin key, or one of its security.api_keys that has `admin: true`, in EMBEDSTACK_KEY or with "
                "--key.",
            )
        if not response.ok:
            raise BridgeRefused(f"The bridge answered {response.status_code} to /v1/cache: {response.text}")
        return response

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Response:
        try:
            return self._server.ask(method, path, json=body, timeout=TIMEOUT)
        except NoAnswer as error:
            raise BridgeRefused(
                f"The bridge at {self.url} gave no answer: {error}", "Start it, or name its address with --url."
            ) from error


def _json(response: Response) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = response.json()
    except ValueError as error:
        raise BridgeRefused(f"What answers at {response.url} is not a bridge: {response.text[:200]!r}") from error
    return answer


OWN_TIMEOUT = 10.0  # seconds: none of these routes waits for an engine
_ROLE_TEXTS = "embed_bridge_role_texts_total"


class BridgeApi:
    """A bridge at `url`. `admin_key` opens the routes of an administrator, and a bridge that asks everybody for a key.
    Whatever keeps it from answering is PartNotReady.
    """

    def __init__(self, url: str, admin_key: str | None) -> None:
        self.url = url.rstrip("/")
        self._server = HttpServer(url, admin_key)

    def __enter__(self) -> "BridgeApi":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.close()

    def index(self, model: str) -> IndexFacts:
        """What documents embedded under this model name would be an index of."""
        return self._read(IndexFacts, self._ask("GET", "/v1/index", params={"model": model}))

    def expect(self, fingerprint: str | None, model: str | None) -> bool:
        """From now on refuse who would be answered in another index; None: expect nothing. Whether that outlives the
        bridge's next start: one without a cache on disk keeps nothing.

        `model` is the name under which clients ask, for the message to those that are refused.
        """
        return bool(self._ask("PUT", "/v1/index", json={"fingerprint": fingerprint, "model": model}).get("kept"))

    def trace(self, after: int) -> list[TraceRecord]:
        """Its requests with a higher number than `after`, as far as it still has them, oldest first."""
        answer = self._ask("GET", "/v1/trace", params={"after": after})
        return self._read(list[TraceRecord], answer.get("records"))

    def roles(self) -> dict[str, int]:
        """Texts that it has answered to Open WebUI since its start, by what said their role: `field`, `header`, `alias`
        or `default`. Names that none was said by are not there.
        """
        families = text_string_to_metric_families(self._response("GET", "/metrics").text)
        samples = [sample for family in families for sample in family.samples if sample.name == _ROLE_TEXTS]
        answer = [sample for sample in samples if sample.labels["client"] == "open-webui"]
        return {sample.labels["origin"]: int(sample.value) for sample in answer}

    def _read(self, kind: type[T], said: object) -> T:
        try:
            return wire.read(kind, said)
        except ValueError as error:
            raise PartNotReady(
                f"What answers at {self.url} is not a bridge: {error}.", "Look at its address."
            ) from error

    def _ask(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        return _object(self.url, self._response(method, path, **sent))

    def _response(self, method: str, path: str, **sent: Any) -> Response:
        try:
            response = self._server.ask(method, path, timeout=OWN_TIMEOUT, **sent)
        except NoAnswer as error:
            raise PartNotReady(
                f"The bridge at {self.url} gave no answer: {error}", "`embedstack status` says how it is."
            ) from error
        if not response.ok:
            raise _refused(self.url, path, response)
        return response


def _refused(url: str, path: str, response: Response) -> PartNotReady:
    if response.status_code in (401, 403):
        return PartNotReady(
            f"The bridge at {url} wants an administrator's key for {path}.",
            "For a stack's own bridge `embedstack` has it; for another one give it in EMBEDSTACK_KEY or with --key.",
        )
    if response.status_code == 404 and response.headers.get("x-embed-error") == "not_found":
        return PartNotReady(f"The bridge at {url} has no {path}: it is older.", "`embedstack restart bridge`.")
    return PartNotReady(f"The bridge at {url} answered {response.status_code} to {path}: {response.text[:500]}")


def _object(url: str, response: Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise PartNotReady(f"What answers at {url} is not a bridge: {response.text[:200]!r}.", "Look at its address.")
    return answer


@dataclass(frozen=True)
class Access:
    """`key` None: none is known, and a bridge on this machine may want none. `model`: of the stack's own bridge."""

    url: str
    key: str | None = field(repr=False)
    model: str | None = None


def access(stack: str, url: str | None, key: str | None, *, otherwise: str) -> Access:
    """The bridge at `url`, else the stack's, else the one `otherwise`. `key` counts more than the stack's own, which no
    other bridge is ever sent.
    """
    where = places(stack)
    try:
        up = record.read(where)
        own = up.bridge_url
    except NotRunning:
        return Access(url or otherwise, key)
    if url is not None and url.rstrip("/") != own.rstrip("/"):
        return Access(url, key)
    try:
        known = secrets.read(where, lambda _: None).bridge_admin_key
    except NotRunning:
        known = None
    return Access(own, key or known, up.model)
