"""What only a GPU can show: that it is the GPU that computes."""

from __future__ import annotations

import os

from embedstack.deploy.ollama.server import Ollama
from embedstack.deploy.smoke.pace import throughput
from embedstack.deploy.smoke.server import EmbeddingServer

OLLAMA = os.environ.get("GPU_SMOKE_OLLAMA", "http://127.0.0.1:11434")
LEAST = 1000.0  # tokens a second: no processor comes near it with the 4B


def test_the_whole_model_lies_in_the_gpus_memory(server: EmbeddingServer) -> None:
    """Ollama puts what does not fit into main memory, says nothing, and is many times slower."""
    server.embed(["to have it loaded"])
    with Ollama(OLLAMA) as ollama:
        loaded = ollama.loaded()

    assert loaded
    assert [one for one in loaded if one.size_vram < one.size] == []


def test_it_is_as_fast_as_a_gpu(server: EmbeddingServer) -> None:
    """A page a text."""
    assert throughput(server, 512).tokens_per_second > LEAST
