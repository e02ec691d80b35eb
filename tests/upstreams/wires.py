"""Bridges before one recorded engine: what is asked of them, and what the engine then reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.bridge_process import Bridge, bridge
from tests.upstreams.recorder import Recorder, recorder

PLAIN = """\
prompts:
  tasks:
    legal: Given a legal question, retrieve the statutes that answer it
    Reviews: {instruction: Tell good reviews from bad ones, symmetric: true}
    accents: "Trouve le cafe\\u0301"
model:
  aliases:
    rag-query: demo@query,256
    tickets: demo@clustering
    plain: demo
"""
CHINESE = """\
prompts:
  style: article-zh
  default: query
  special_tokens: neutralise
  tasks:
    qa: Given a question about the handbook, retrieve its paragraphs
    clustering: Group the tickets by product
    sts: null
"""


@dataclass(frozen=True)
class Wire:
    """A bridge before a recorded engine."""

    bridge: Bridge
    recorder: Recorder

    def post(self, path: str, body: object, **headers: str) -> requests.Response:
        self.recorder.clear()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.bridge.post(path, body, headers=names)

    def sent(self, *texts: str, model: str = "demo", header: str | None = None, **fields: object) -> list[bytes]:
        """What reaches the engine when texts are embedded on Ollama's door."""
        headers = {} if header is None else {"X_Embed_Task": header}
        response = self.post("/api/embed", {"model": model, "input": list(texts), **fields}, **headers)
        assert response.status_code == 200, response.text
        return self.recorder.texts


@dataclass(frozen=True)
class Wires:
    """One with tasks and aliases of the user's own; one with the article's style, and more that is not the default."""

    plain: Wire
    chinese: Wire


@contextmanager
def recorded(engine: str, folder: Path) -> Iterator[Wires]:
    """The two bridges before the engine at a URL; their configuration files lie in `folder`."""
    files = folder / "plain.yaml", folder / "chinese.yaml"
    for file, configuration in zip(files, (PLAIN, CHINESE), strict=True):
        file.write_text(configuration)
    with recorder(engine) as (url, recording):
        common = ("--upstream", url, "--set", "model.id=demo", "--set", "model.precision=f16")
        with (
            bridge("--config", str(files[0]), *common) as plain,
            bridge("--config", str(files[1]), *common) as chinese,
        ):
            yield Wires(Wire(plain, recording), Wire(chinese, recording))
