"""One request, sent to a real Ollama and to the bridge before it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import requests

SAME = 0.999999  # cosine: the bridge normalises once more, in float32
DURATIONS = {"total_duration", "load_duration"}

Vectors = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What each of the two said."""

    ollama: requests.Response
    bridge: requests.Response

    @property
    def statuses(self) -> tuple[int, int]:
        return self.ollama.status_code, self.bridge.status_code

    def refusal(self) -> str:
        """Ollama answered 200, and the bridge an error: its text."""
        assert self.statuses[0] == 200, self.ollama.text
        assert self.statuses[1] != 200, self.bridge.text
        return error_of(self.bridge)


@dataclass(frozen=True)
class Beside:
    """URLs of an Ollama and of the bridge before it; `model` is Ollama's name for what the bridge calls `demo`."""

    ollama: str
    bridge: str
    model: str = "demo"

    def ask(self, method: str, path: str, body: Any = None, **arguments: Any) -> Answers:
        ours = requests.request(method, self.bridge + path, json=body, timeout=120, **arguments)
        if isinstance(body, dict) and body.get("model") == "demo":
            body = body | {"model": self.model}
        theirs = requests.request(method, self.ollama + path, json=body, timeout=120, **arguments)
        return Answers(theirs, ours)

    def post(self, path: str, body: Any) -> Answers:
        """`body` is sent as JSON, or as it is when it is bytes."""
        if isinstance(body, bytes):
            return self.ask("POST", path, data=body)
        return self.ask("POST", path, body)

    def agree(self, path: str, body: Any) -> Answers:
        """Both answer 200 with the same fields, token counts and dimensions, and with vectors that are the same."""
        answers = self.post(path, body)
        assert answers.statuses == (200, 200), (answers.ollama.text, answers.bridge.text)
        theirs, ours = answers.ollama.json(), answers.bridge.json()
        assert fields(ours) == fields(theirs)
        assert tokens_of(ours) == tokens_of(theirs)
        assert cosine(vectors_of(ours), vectors_of(theirs)) >= SAME
        return answers


def vectors_of(answer: dict[str, Any]) -> Vectors:
    """The vectors (n, d) of any of the three routes; (0, 0) where there are none."""
    if "data" in answer:
        rows = [_decoded(entry["embedding"]) for entry in answer["data"]]
        assert [entry["index"] for entry in answer["data"]] == list(range(len(rows)))
    else:
        rows = answer["embeddings"] if "embeddings" in answer else [answer["embedding"]]
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1 if rows else 0)


def _decoded(embedding: str | list[float]) -> list[float]:
    if isinstance(embedding, str):
        return [float(number) for number in np.frombuffer(base64.b64decode(embedding), dtype="<f4")]
    return embedding


def tokens_of(answer: dict[str, Any]) -> int | None:
    """Tokens of the request where the route counts them."""
    if "usage" in answer:
        assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"]
        return int(answer["usage"]["prompt_tokens"])
    return answer.get("prompt_eval_count")


def cosine(one: Vectors, other: Vectors) -> float:
    """The least cosine between rows of the same index; 1 where both have none."""
    assert one.shape == other.shape
    if not one.size:
        return 1.0
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / norms).min())


def fields(value: Any) -> Any:
    """The names in an answer, of a list those of its first element, and for each leaf its type."""
    if isinstance(value, dict):
        return {name: fields(inner) for name, inner in value.items() if name not in DURATIONS}
    if isinstance(value, list):
        return [fields(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def error_of(response: requests.Response) -> str:
    """The sentence of an error in Ollama's or in OpenAI's shape."""
    error = response.json()["error"]
    text: str = error["message"] if isinstance(error, dict) else error
    return text
