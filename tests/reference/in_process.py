"""llama.cpp inside the test's own process, for checking a GGUF without a server."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xllamacpp

from tests.reference.numpy_qwen3 import Floats


@dataclass(frozen=True)
class Answer:
    """Vectors (n, d) as llama.cpp gives them, of length one, and the tokens that it counted for all texts."""

    vectors: Floats
    tokens: int


class LlamaCpp:
    """One loaded GGUF; texts of up to `context` tokens."""

    def __init__(self, gguf: Path, context: int = 8192) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(gguf)
        params.embedding, params.warmup, params.n_parallel = True, False, 1
        params.n_ctx = params.n_batch = params.n_ubatch = context
        params.cpuparams.n_threads = os.cpu_count() or 1  # llama.cpp's own default may be more than there are
        self._server = xllamacpp.Server(params)

    def embed(self, texts: Sequence[str]) -> Answer:
        """RuntimeError with llama.cpp's own words when it refuses."""
        given = self._server.handle_embeddings({"input": list(texts)})
        answer: dict[str, Any] = given if isinstance(given, dict) else json.loads(given)
        if "data" not in answer:
            raise RuntimeError(f"llama.cpp refused {len(texts)} texts: {answer}")
        vectors = np.array([row["embedding"] for row in answer["data"]], dtype=np.float32)
        return Answer(vectors, answer["usage"]["prompt_tokens"])
