"""What answers at a URL, found out by asking: a bridge, a bare Ollama, or a server of OpenAI's shape."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from embedstack.contract.answers import Readiness
from embedstack.deploy.bridge_client import BridgeClient
from embedstack.deploy.errors import BridgeRefused
from embedstack.host.ollama import PROBE, uncounted, uncounted_by
from embedstack.vectors.mrl import Vectors

Kind = Literal["bridge", "ollama", "openai"]
CALLED: dict[Kind, str] = {"bridge": "the bridge", "ollama": "Ollama", "openai": "OpenAI-shaped server"}


@dataclass(frozen=True)
class Answered:
    """Vectors (n, k) in the order of the texts, and the tokens that were counted; None where they were not."""

    vectors: Vectors
    tokens: int | None


@dataclass(frozen=True)
class EmbeddingServer:
    """A server that embeds with `model`, by the name that it has there.

    Attributes:
        names: every name that it lists.
        precision: of its weights, where it says so.
        ready: what a bridge tells of itself at /readyz; None at any other.
        uncounted: tokens of each text that its counts leave out; they are added.
        native: the model's own size, said in each request to a bridge, which may expect another of who says none.
    """

    kind: Kind
    client: BridgeClient
    model: str
    version: str
    names: tuple[str, ...]
    precision: str | None = None
    ready: Readiness | None = None
    native: int | None = None
    uncounted: int = 0

    @property
    def path(self) -> str:
        return "/v1/embeddings" if self.kind == "openai" else "/api/embed"

    def embed(self, texts: Sequence[str], dimensions: int | None = None, role: str = "document") -> Answered:
        """BridgeRefused where the answer is not a set of vectors, one a text."""
        answer = self.client.post(self.path, self.body(texts, dimensions, role))
        try:
            vectors, tokens = _openai(answer) if self.kind == "openai" else _ollama(answer)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BridgeRefused(f"What {self.path} answered is not a set of vectors ({error!r}).") from error
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise BridgeRefused(f"{self.path} answered vectors of shape {vectors.shape} to {len(texts)} texts.")
        return Answered(vectors, None if tokens is None else tokens + self.uncounted * len(texts))

    def body(self, texts: Sequence[str], dimensions: int | None = None, role: str = "document") -> dict[str, Any]:
        """A request. Only a bridge is sent a role: whatever task its configuration has for a text that comes without
        one, the reference texts must reach the engine as they stand.
        """
        wanted: dict[str, Any] = {"model": self.model, "input": list(texts)}
        if (size := self.native if dimensions is None else dimensions) is not None:
            wanted["dimensions"] = size
        return wanted | ({"input_type": role} if self.kind == "bridge" else {})


def find(client: BridgeClient, model: str) -> EmbeddingServer:
    """Who answers there. BridgeRefused where nobody does, or nobody who embeds."""
    if (ready := client.readiness()) is not None:
        version = (client.page("/healthz") or {}).get("version", "")
        return EmbeddingServer("bridge", client, model, str(version), _listed(client), ready.precision, ready)
    answer = client.page("/api/version")
    if answer is not None and "version" in answer:
        version = str(answer["version"])
        found = EmbeddingServer("ollama", client, model, version, _tags(client), _quantisation(client, model))
        return replace(found, uncounted=_uncounted(found, version))
    if (names := _listed(client)) or (client.page("/v1/models") or {}).get("object") == "list":
        version = (client.page("/version") or {}).get("version") or (client.page("/props") or {}).get("build_info")
        return EmbeddingServer("openai", client, model, str(version or "not said"), names)
    raise BridgeRefused(
        f"What answers at {client.url} is neither a bridge nor Ollama nor a server of OpenAI's shape.",
        "Name the address of one of these with --url.",
    )


def _uncounted(server: EmbeddingServer, version: str) -> int:
    """What it leaves out of each text's count, by its version, else by what it counts of one token."""
    known = uncounted(version)
    if known is not None:
        return known
    try:
        return uncounted_by(server.embed([PROBE]).tokens)
    except BridgeRefused:
        return 0  # no such model: the check of its name says so


def _listed(client: BridgeClient) -> tuple[str, ...]:
    return _named((client.page("/v1/models") or {}).get("data"), "id")


def _tags(client: BridgeClient) -> tuple[str, ...]:
    return _named((client.page("/api/tags") or {}).get("models"), "name")


def _named(entries: Any, key: str) -> tuple[str, ...]:
    given = entries if isinstance(entries, list) else []
    return tuple(str(entry[key]) for entry in given if isinstance(entry, dict) and key in entry)


def _quantisation(client: BridgeClient, model: str) -> str | None:
    try:
        details = client.post("/api/show", {"model": model}).get("details") or {}
    except BridgeRefused:
        return None  # no such model: the check of its name says so
    return details.get("quantization_level") or None


def _ollama(answer: dict[str, Any]) -> tuple[Vectors, int | None]:
    return np.asarray(answer["embeddings"], dtype=np.float32), _count(answer.get("prompt_eval_count"))


def _openai(answer: dict[str, Any]) -> tuple[Vectors, int | None]:
    entries = sorted(answer["data"], key=lambda entry: int(entry["index"]))
    rows = [_row(entry["embedding"]) for entry in entries]
    return np.asarray(rows, dtype=np.float32), _count((answer.get("usage") or {}).get("prompt_tokens"))


def _row(given: Any) -> Any:
    return np.frombuffer(base64.b64decode(given), dtype="<f4") if isinstance(given, str) else given


def _count(given: Any) -> int | None:
    return given if isinstance(given, int) else None
