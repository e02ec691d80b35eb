"""LlamaIndex's embedding class for Ollama, unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.embeddings.ollama import OllamaEmbedding

from tests.bridge_process import Bridge
from tests.integration.clients.texts import QUESTION, TEXTS, same


@pytest.fixture
def llama_index(bridge: Bridge) -> Iterator[Callable[..., OllamaEmbedding]]:
    """Makes OllamaEmbedding, which has no way of its own to close its connections."""
    made: list[OllamaEmbedding] = []

    def make(model: str = "demo", **settings: Any) -> OllamaEmbedding:
        made.append(OllamaEmbedding(model_name=model, base_url=bridge.url, **settings))
        return made[-1]

    yield make
    for embedding in made:
        embedding._client.close()


def test_llama_index(llama_index: Callable[..., OllamaEmbedding], bridge: Bridge) -> None:
    """LlamaIndex's Ollama class embeds a text, a query and a batch."""
    embedding = llama_index(ollama_additional_kwargs={"num_ctx": 512}, keep_alive="10m")
    vectors = bridge.embed(*TEXTS[:3])

    assert same(embedding.get_text_embedding(TEXTS[0]), vectors[0])
    assert same(embedding.get_query_embedding(TEXTS[1]), vectors[1])
    assert same(embedding.get_text_embedding_batch(TEXTS[:3]), vectors)


def test_llama_index_asks_by_the_models_name(llama_index: Callable[..., OllamaEmbedding], bridge: Bridge) -> None:
    """A client that can send nothing but a model name chooses role and dimensions with it."""
    vector = llama_index("demo@query,256").get_query_embedding(QUESTION)

    assert same(vector, bridge.embed(QUESTION, input_type="query", dimensions=256)[0])


@pytest.mark.parametrize("model", ["demo", "demo@query", "demo@256"])
def test_llama_index_writes_a_prompt_of_its_own(
    llama_index: Callable[..., OllamaEmbedding], bridge: Bridge, model: str
) -> None:
    """It joins `query_instruction` and the question with a space, which the model was trained without."""
    instruction = "Instruct: Given a question, retrieve the handbook's answer\nQuery:"
    embedding = llama_index(model, query_instruction=instruction)

    size = {"dimensions": 256} if model.endswith("256") else {}
    right, wrong = bridge.embed(instruction + QUESTION, f"{instruction} {QUESTION}", input_type="document", **size)
    assert same(embedding.get_query_embedding(QUESTION), right)
    assert not same(right, wrong)


def test_llama_index_marks_its_documents(llama_index: Callable[..., OllamaEmbedding], bridge: Bridge) -> None:
    """A text that is sent as a document stays as it is, a prompt at its beginning included."""
    instruction = "Instruct: Given a question, retrieve the handbook's answer\nQuery:"
    document = llama_index("demo@document", text_instruction=instruction).get_text_embedding(QUESTION)

    assert same(document, bridge.embed(f"{instruction} {QUESTION}", input_type="document")[0])
