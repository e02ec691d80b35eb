"""Which API a client speaks is seen from the path, and a base URL that is wrong is answered with the right one."""

import pytest

from embedstack.bridge.api.astray import nothing_at, speaks_openai

BASE = "http://localhost:11435"


@pytest.mark.parametrize(
    ("path", "openai", "said"),
    [
        # Ollama's clients
        ("/v1/api/embed", False, f"Set the client's base URL to {BASE}:"),
        ("/v1/api/tags", False, f"to {BASE}:"),
        ("/api/api/embed", False, f"to {BASE}:"),
        ("/api/embed/api/embed", False, f"to {BASE}:"),
        ("/ollama/api/embeddings", False, f"to {BASE}:"),
        ("/openai/api/chat", False, f"to {BASE}:"),
        ("/v1/api/blobs/sha256:00", False, f"to {BASE}:"),
        ("/API/Embed", False, f"to {BASE}:"),
        # OpenAI's clients
        ("/api/v1/embeddings", True, f"Set the client's base URL to {BASE}/v1:"),
        ("/v1/v1/embeddings", True, f"to {BASE}/v1:"),
        ("/v1/embeddings/embeddings", True, f"to {BASE}/v1:"),
        ("/embeddings/embeddings", True, f"to {BASE}/v1:"),
        ("/openai/v1/embeddings", True, f"to {BASE}/v1:"),
        ("/v1beta/openai/embeddings", True, f"to {BASE}/v1:"),
        ("/v1/engines/demo/embeddings", True, f"to {BASE}/v1:"),
        ("/v2/embeddings", True, f"to {BASE}/v1:"),
        ("/models", True, f"to {BASE}/v1:"),
        ("/models/demo", True, f"to {BASE}/v1:"),
        ("/api/v1/models/hf.co/Qwen/Qwen3-Embedding-4B", True, f"to {BASE}/v1:"),
        ("/chat/completions", True, f"to {BASE}/v1:"),
        ("/V1/Embeddings", True, f"to {BASE}/v1:"),
        # Azure's
        ("/openai/deployments/demo/embeddings", True, f"not AzureOpenAI) with the base URL {BASE}/v1."),
        ("/v1/openai/deployments/demo/embeddings", True, f"not AzureOpenAI) with the base URL {BASE}/v1."),
        # nobody's
        ("/v1", True, f"client of OpenAI wants the base URL {BASE}/v1, one of Ollama {BASE}."),
        ("/v1/rerank", True, f"base URL {BASE}/v1, one of Ollama {BASE}."),
        ("/v1beta/models/demo:embedContent", True, f"to {BASE}/v1:"),
        ("/api", False, f"one of Ollama {BASE}."),
        ("/api/nothing", False, f"one of Ollama {BASE}."),
        ("/predict", False, f"one of Ollama {BASE}."),
    ],
)
def test_a_wrong_base_url_is_answered_with_the_right_one(path: str, openai: bool, said: str) -> None:
    """In the shape that the client reads."""
    error = nothing_at(path, BASE)

    assert (error.status, error.code) == (404, "not_found")
    assert openai == speaks_openai(path)
    assert said in error.advice
    assert path in error.message


@pytest.mark.parametrize(
    ("path", "openai"),
    [
        *[(path, True) for path in ("/v1/embeddings", "/embeddings", "/v1/models", "/v1/render", "/v1/cache")],
        *[(path, True) for path in ("/v1/models/api/embed", "/v1/models/hf.co/a/api/tags", "/v1/chat/completions")],
        *[(path, False) for path in ("/", "/api/embed", "/api/embeddings", "/api/tags", "/readyz", "/metrics")],
    ],
)
def test_a_door_answers_in_its_own_shape(path: str, openai: bool) -> None:
    """Each route that there is; a model's name cannot change it."""
    assert openai == speaks_openai(path)


def test_a_long_path_makes_no_long_message() -> None:
    """A megabyte that was sent is not sent back."""
    assert len(str(nothing_at("/x" * 500_000, BASE))) < 600
