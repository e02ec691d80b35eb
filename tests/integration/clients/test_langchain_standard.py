"""LangChain's own standard tests of an embedding class, which each of its integrations has to pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_ollama import OllamaEmbeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from tests.bridge_process import Bridge

# Names as the README gives them: plain, with a role, and with all that a name can carry.
NAMES = ("demo", "demo@query", "demo@document", "demo@query,512", "demo@256", "demo:stand-in")


class _Embeddings:
    """What the tests are run with. `embeddings_class` keeps what was made, which has no way of its own to close."""

    @pytest.fixture(autouse=True, params=[(name, validate) for validate in (False, True) for name in NAMES], ids=str)
    def settings(self, request: pytest.FixtureRequest, bridge: Bridge) -> Iterator[None]:
        name, validate = request.param
        self._settings = {"model": name, "base_url": bridge.url, "validate_model_on_init": validate}
        self._made: list[OllamaEmbeddings] = []
        yield
        for embeddings in self._made:
            assert embeddings._client is not None
            embeddings._client.close()

    @property
    def embeddings_class(self) -> Callable[..., OllamaEmbeddings]:
        return self._make

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return self._settings

    def _make(self, **settings: Any) -> OllamaEmbeddings:
        self._made.append(OllamaEmbeddings(**settings))
        return self._made[-1]


class TestOllamaEmbeddings(_Embeddings, EmbeddingsIntegrationTests):
    """Against the bridge, with and without a look at its list of models."""


class TestOllamaEmbeddingsUnit(_Embeddings, EmbeddingsUnitTests):
    """What a class must do without being asked for a vector."""
