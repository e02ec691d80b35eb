"""The parity suite: everything by which an engine's vectors can differ from what the model's authors would compute."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import requests
from tokenizers.normalizers import NFC

from tests.reference.numpy_qwen3 import NumpyQwen3

Floats = npt.NDArray[np.float32]
EXACT, SAME = 0.9999, 0.99999
MRL = (32, 256, 1024)
LONGEST_BATCHED = 600  # tokens


@dataclass(frozen=True)
class Answer:
    """Vectors (n, d) in the order of the texts, and the tokens of the whole request."""

    vectors: Floats
    tokens: int


Embed = Callable[[Sequence[str]], Answer]


@dataclass(frozen=True)
class Expected:
    """What NumPy makes of texts: vectors (n, d), and the token count of each, EOS included once."""

    texts: tuple[str, ...]
    vectors: Floats
    tokens: tuple[int, ...]

    @classmethod
    def of(cls, model: NumpyQwen3, texts: Sequence[str]) -> Expected:
        vectors = model.embed(texts).astype(np.float32)
        return cls(tuple(texts), vectors, tuple(len(model.ids(text)) for text in texts))

    def only(self, keep: Callable[[int], bool]) -> Expected:
        """The texts whose token count `keep` accepts."""
        rows = [i for i, tokens in enumerate(self.tokens) if keep(tokens)]
        return Expected(tuple(self.texts[i] for i in rows), self.vectors[rows], tuple(self.tokens[i] for i in rows))


def openai_embed(url: str, model: str, encoding: str = "float") -> Embed:
    """Embed over OpenAI's API of an engine or a bridge at `url`."""

    def embed(texts: Sequence[str]) -> Answer:
        body = {"model": model, "input": list(texts), "encoding_format": encoding}
        response = requests.post(f"{url}/v1/embeddings", json=body, timeout=600)
        assert response.status_code == 200, response.text[:500]
        answer = response.json()
        rows = [_decoded(entry["embedding"]) for entry in sorted(answer["data"], key=lambda entry: entry["index"])]
        return Answer(np.stack(rows), int(answer["usage"]["prompt_tokens"]))

    return embed


def _decoded(value: Any) -> Floats:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), dtype="<f4").astype(np.float32)
    return np.array(value, dtype=np.float32)


def disagreements(embed: Embed, expected: Expected, threshold: float = EXACT) -> list[str]:
    """Every way in which an engine differs from `expected`, in words; empty where it is right."""
    single = [embed([text]) for text in expected.texts]
    vectors = np.concatenate([answer.vectors for answer in single])
    found = [
        f"{_shown(text)}: {got.tokens} tokens, not {want}"
        for text, got, want in zip(expected.texts, single, expected.tokens, strict=True)
        if got.tokens != want
    ]
    found += _far("NumPy", expected.texts, cosines(vectors, expected.vectors), threshold)
    for size in (size for size in MRL if size < expected.vectors.shape[1]):
        near = cosines(vectors[:, :size], expected.vectors[:, :size])
        found += _far(f"NumPy at {size} dimensions", expected.texts, near, threshold)
    found += _far("norm 1", expected.texts, 1 - np.abs(1 - np.linalg.norm(vectors, axis=1)), 1 - 1e-4)
    return found + _batched(embed, expected, vectors)


def _batched(embed: Embed, expected: Expected, single: Floats) -> list[str]:
    """What changes when the texts come in one request. The longest are left out: they cost the most and show nothing
    that the others do not."""
    rows = [i for i, tokens in enumerate(expected.tokens) if tokens <= LONGEST_BATCHED]
    if not rows:
        return []
    texts = [expected.texts[i] for i in rows]
    batch, tokens = embed(texts), sum(expected.tokens[i] for i in rows)
    found = [] if batch.tokens == tokens else [f"batch: {batch.tokens} tokens, not {tokens}"]
    return found + _far("single = batch", texts, cosines(single[rows], batch.vectors), SAME)


def cosines(one: Floats, other: Floats) -> Floats:
    """Row by row, in float64."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    result: Floats = (np.einsum("ij,ij->i", a, b) / norms).astype(np.float32)
    return result


def nfc(texts: Sequence[str]) -> tuple[str, ...]:
    """What the bridge makes of texts before an engine sees them."""
    return tuple(NFC().normalize_str(text) for text in texts)


def _far(what: str, texts: Sequence[str], nearness: Floats, threshold: float) -> list[str]:
    return [
        f"{_shown(text)}: {what}: {value:.6f}"
        for text, value in zip(texts, nearness, strict=True)
        if not value >= threshold
    ]


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
