"""LangChain's embedding classes for Ollama and for OpenAI, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
import tiktoken
from langchain_ollama import OllamaEmbeddings
from langchain_openai import OpenAIEmbeddings

from tests.bridge_process import Bridge
from tests.integration.clients.texts import QUESTION, TEXTS, Floats, same


@pytest.fixture
def langchain_ollama(bridge: Bridge) -> Iterator[Callable[..., OllamaEmbeddings]]:
    """Makes OllamaEmbeddings, which has no way of its own to close its connections."""
    made: list[OllamaEmbeddings] = []

    def make(model: str = "demo", **settings: Any) -> OllamaEmbeddings:
        made.append(OllamaEmbeddings(model=model, base_url=bridge.url, validate_model_on_init=True, **settings))
        return made[-1]

    yield make
    for embeddings in made:
        assert embeddings._client is not None
        embeddings._client.close()


def test_langchain_ollama(langchain_ollama: Callable[..., OllamaEmbeddings], expected: Floats) -> None:
    """LangChain finds its model in the list, and embeds documents and a query as it is."""
    embeddings = langchain_ollama()

    assert same(embeddings.embed_documents(TEXTS), expected)
    assert same(embeddings.embed_query(TEXTS[0]), expected[0])


def test_langchain_ollama_sends_options(langchain_ollama: Callable[..., OllamaEmbeddings], expected: Floats) -> None:
    """The options that it sends with every call, some of which would make Ollama load the model again, do no harm."""
    embeddings = langchain_ollama(num_ctx=512, num_gpu=0, num_thread=1, temperature=0.1, keep_alive=600)

    assert same(embeddings.embed_documents(TEXTS), expected)


def test_langchain_ollama_cuts(langchain_ollama: Callable[..., OllamaEmbeddings], bridge: Bridge) -> None:
    """`dimensions` comes through."""
    assert same(langchain_ollama(dimensions=64).embed_query(QUESTION), bridge.embed(QUESTION, dimensions=64)[0])


def test_langchain_ollama_async(bridge: Bridge, expected: Floats) -> None:
    """The asynchronous calls give the same vectors."""

    async def talk() -> list[list[float]]:
        embeddings = OllamaEmbeddings(model="demo", base_url=bridge.url)
        assert embeddings._async_client is not None
        async with embeddings._async_client:
            return await embeddings.aembed_documents(TEXTS)

    assert same(asyncio.run(talk()), expected)


@pytest.fixture
def langchain_openai(bridge: Bridge) -> Iterator[Callable[..., OpenAIEmbeddings]]:
    """Makes OpenAIEmbeddings over a client that can be closed."""
    with openai.OpenAI(base_url=f"{bridge.url}/v1", api_key="none", max_retries=0) as client:
        yield lambda **settings: OpenAIEmbeddings(model="demo", api_key="none", client=client.embeddings, **settings)


def test_langchain_openai(langchain_openai: Callable[..., OpenAIEmbeddings], bridge: Bridge, expected: Floats) -> None:
    """Asked to send text, LangChain's OpenAI class works, with dimensions and the role in `model_kwargs` too."""
    embeddings = langchain_openai(check_embedding_ctx_length=False)
    queries = langchain_openai(
        check_embedding_ctx_length=False, dimensions=128, model_kwargs={"extra_body": {"input_type": "query"}}
    )

    assert same(embeddings.embed_documents(TEXTS), expected)
    assert same(embeddings.embed_query(TEXTS[0]), expected[0])
    assert same(queries.embed_query(QUESTION), bridge.embed(QUESTION, input_type="query", dimensions=128)[0])


def test_langchain_openai_with_token_ids_is_given_the_fix(
    langchain_openai: Callable[..., OpenAIEmbeddings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left alone it sends token ids of OpenAI's vocabulary; the answer names the setting that mends it."""
    vocabulary = tiktoken.Encoding(  # the real one is a download; any ids will do
        "cl100k_base", pat_str=r"\S+|\s+", mergeable_ranks={bytes([i]): i for i in range(256)}, special_tokens={}
    )
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "cl100k_base", vocabulary)

    with pytest.raises(openai.BadRequestError, match="set check_embedding_ctx_length=False") as refusal:
        langchain_openai().embed_documents(["hello world", "annual leave"])

    assert refusal.value.code == "token_ids"
