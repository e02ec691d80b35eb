"""A bridge before a scripted upstream, and what a test asks of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import requests

from tests.bridge_process import Bridge, bridge
from tests.upstreams.apis import Api, OllamaApi
from tests.upstreams.load import wait_until
from tests.upstreams.scripted import Scripted, scripted

TEXTS = ("the first text", "第二段文字", "a third one")
TEN = tuple(f"text number {number}" for number in range(10))
# Four texts a call, so that ten make three calls; a hanging engine is given up after two seconds, one that has gone
# away after three.
_SETTINGS = ("model.id=demo", "engine.batch=4", "engine.timeout=2", "engine.patience=3", "engine.concurrency=1")
SETTINGS = tuple(part for setting in _SETTINGS for part in ("--set", setting))


@dataclass(frozen=True)
class Front:
    """A bridge before a scripted upstream."""

    bridge: Bridge
    upstream: Scripted

    def ask(self, texts: Sequence[str] = TEXTS, **fields: object) -> requests.Response:
        return self.bridge.post("/api/embed", {"model": "demo", "input": list(texts), **fields})

    @property
    def resets(self) -> list[int]:
        """The calls by which an engine is freed of a broken state: OpenAI's API has none."""
        return [0] if isinstance(self.upstream.api, OllamaApi) else []

    def assert_right(self, response: requests.Response, texts: Sequence[str] = TEXTS) -> None:
        """200, and the engine's own vectors in the order of the texts."""
        assert response.status_code == 200, response.text
        cosines = np.einsum("ij,ij->i", np.array(response.json()["embeddings"]), self.upstream.vectors(texts))
        assert len(cosines) == len(texts)
        assert cosines.min() >= 0.99999

    def assert_serves(self, *, sizes: Sequence[int] = (3,)) -> None:
        """Whatever came before, a good answer now goes through, at the first try once the engine is back."""
        self.upstream.play()
        wait_until(lambda: self.bridge.ready()["ready"], within=20, what="the engine is back")
        self.assert_right(self.ask())
        assert self.upstream.sizes == list(sizes)


@contextmanager
def fronted(real: str, api: Api, *settings: str) -> Iterator[Front]:
    with scripted(real, api) as (url, upstream), bridge("--upstream", url, *SETTINGS, *settings) as running:
        yield Front(running, upstream)


def assert_error(response: requests.Response, status: int, code: str) -> str:
    """The status, the stable code in its header, and a message in Ollama's shape, which is returned."""
    assert (response.status_code, response.headers.get("X-Embed-Error")) == (status, code), response.text
    message = response.json()["error"]
    assert isinstance(message, str)
    assert message
    return message
