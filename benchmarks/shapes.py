"""The requests that are measured, byte for byte, and the vector that a right answer to each of them holds."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson

MODEL = "demo"
TEXT = "How many days of annual leave do I have in my first year?"


@dataclass(frozen=True)
class Shape:
    """Short texts, asked for on one API in one encoding."""

    name: str
    path: str
    fields: Mapping[str, str]
    texts: int = 1

    def request(self, port: int, text: str = TEXT) -> bytes:
        """A whole HTTP/1.1 request to a server at 127.0.0.1."""
        texts = [text, *(f"{text} ({number})" for number in range(1, self.texts))]
        body = orjson.dumps({"model": MODEL, "input": texts, **self.fields})
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def vector(self, body: bytes) -> npt.NDArray[np.float32]:
        """The first vector of an answer's body, float32. KeyError, ValueError or TypeError where it holds none."""
        answer = orjson.loads(body)
        found = answer["embeddings"] if "embeddings" in answer else [entry["embedding"] for entry in answer["data"]]
        if isinstance(found[0], str):
            return np.frombuffer(base64.b64decode(found[0], validate=True), "<f4")
        return np.array(found[0], np.float32)


OPENAI_FLOAT = Shape("OpenAI float", "/v1/embeddings", {"encoding_format": "float"})
OPENAI_BASE64 = Shape("OpenAI base64", "/v1/embeddings", {"encoding_format": "base64"})
OPENAI_BATCH = Shape("OpenAI base64, 32 texts", "/v1/embeddings", {"encoding_format": "base64"}, texts=32)
OLLAMA = Shape("Ollama", "/api/embed", {})
OPENAI = (OPENAI_FLOAT, OPENAI_BASE64, OPENAI_BATCH)
