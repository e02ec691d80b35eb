"""The bridge's doors as a client sees them: what each takes, what it answers, and the shape of its errors."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import requests

from embedstack.vectors.mrl import Vectors


@dataclass(frozen=True)
class Refused:
    """An error as a door reported it."""

    status: int
    code: str
    message: str


@dataclass(frozen=True)
class Door:
    """`key` is the field that holds the text; `many` says whether it may be a list. A door without vectors has none."""

    path: str
    key: str = "input"
    many: bool = True
    openai: bool = False

    def body(self, text: object, **fields: object) -> dict[str, object]:
        return {"model": "demo", self.key: text, **fields}

    def vectors(self, response: requests.Response) -> Vectors:
        """Unit vectors (n, k) of an answer, which must be 200; base64 or floats."""
        assert response.status_code == 200, response.text[:500]
        answer = response.json()
        if self.openai:
            assert [entry["index"] for entry in answer["data"]] == list(range(len(answer["data"])))
            rows = [entry["embedding"] for entry in answer["data"]]
        else:
            rows = answer["embeddings"] if self.many else [answer["embedding"]]
        if all(isinstance(row, str) for row in rows):
            return np.stack([np.frombuffer(base64.b64decode(row), dtype="<f4") for row in rows])
        return np.array(rows, dtype=np.float32)

    def refused(self, response: requests.Response) -> Refused:
        """The error of an answer, which must be in this door's own shape, JSON, with its code in the header."""
        return refusal(response, openai=self.openai)


def refusal(response: requests.Response, *, openai: bool) -> Refused:
    """The error of an answer in OpenAI's shape or in Ollama's; an answer in any other is an AssertionError."""
    code = response.headers.get("X-Embed-Error", "")
    assert code, (response.status_code, response.text[:500])
    assert response.headers["Content-Type"].startswith("application/json")
    body: dict[str, Any] = response.json()
    if not openai:
        assert set(body) == {"error"}
        assert isinstance(body["error"], str)
        return Refused(response.status_code, code, body["error"])
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert error["type"] in KINDS[response.status_code // 100]
    return Refused(response.status_code, code, error["message"])


KINDS = {
    4: {"invalid_request_error", "not_found_error", "authentication_error", "permission_error"},
    5: {"api_error"},
}

EMBED = Door("/api/embed")
LEGACY = Door("/api/embeddings", key="prompt", many=False)
OPENAI = Door("/v1/embeddings", openai=True)
BARE = Door("/embeddings", openai=True)
SHOW = Door("/api/show")
RENDER = Door("/v1/render", openai=True)

EMBEDDING = (EMBED, LEGACY, OPENAI, BARE)
EVERY = (*EMBEDDING, SHOW, RENDER)


def name(door: object) -> str | None:
    """For pytest's ids."""
    return door.path if isinstance(door, Door) else None
