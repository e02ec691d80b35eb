"""Just enough of Ollama's and of OpenAI's API for a bridge to take a scripted upstream for the real thing."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import orjson

from tests.upstreams.server import Connection

MODEL = "demo"
DIMENSIONS, CONTEXT = 2560, 8192
Object = dict[str, Any]


class Api(Protocol):
    """One of the two shapes."""

    embed_path: str
    # What is answered on every other path.
    pages: Mapping[str, Object]

    def answer(self, rows: Sequence[Any], tokens: int, request: Object) -> Object:
        """The body that carries `rows`: arrays as this API writes vectors, anything else as it stands."""

    async def die(self, connection: Connection) -> None:
        """What a client sees when the process that computes is killed under its request."""


class OllamaApi:
    """Ollama 0.34's answers, as far as the bridge reads them."""

    embed_path = "/api/embed"
    pages: Mapping[str, Object] = {
        "/api/version": {"version": "0.34.4"},
        "/api/tags": {"models": [{"name": f"{MODEL}:latest", "digest": "0" * 64, "size": 1}]},
        "/api/ps": {"models": [{"name": f"{MODEL}:latest", "context_length": CONTEXT}]},
        "/api/show": {
            "details": {"quantization_level": "F16"},
            "model_info": {
                "general.architecture": "qwen3",
                "qwen3.context_length": CONTEXT,
                "qwen3.embedding_length": DIMENSIONS,
            },
            "capabilities": ["embedding"],
        },
    }

    def answer(self, rows: Sequence[Any], tokens: int, _: Object) -> Object:
        return {"model": MODEL, "embeddings": [as_list(row) for row in rows], "prompt_eval_count": tokens}

    async def die(self, connection: Connection) -> None:
        """Ollama itself lives on, and says so with a 400 (server/routes.go, EmbedHandler)."""
        said = 'do embedding request: Post "http://127.0.0.1:43210/v1/embeddings": EOF'
        await connection.answer(400, orjson.dumps({"error": said}))


class OpenAIApi:
    """llama-server's answers, as far as the bridge reads them."""

    embed_path = "/v1/embeddings"
    pages: Mapping[str, Object] = {
        "/v1/models": {"object": "list", "data": [{"id": MODEL, "object": "model", "meta": {"n_embd": DIMENSIONS}}]},
        "/props": {"default_generation_settings": {"n_ctx": CONTEXT}, "build_info": "scripted"},
    }

    def answer(self, rows: Sequence[Any], tokens: int, request: Object) -> Object:
        encode = to_base64 if request.get("encoding_format") == "base64" else as_list
        vectors = [encode(row) if isinstance(row, np.ndarray) else row for row in rows]
        return {
            "object": "list",
            "model": MODEL,
            "data": [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    async def die(self, connection: Connection) -> None:
        connection.reset()


def as_list(row: Any) -> Any:
    return row.tolist() if isinstance(row, np.ndarray) else row


def to_base64(row: npt.NDArray[np.float32]) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")
