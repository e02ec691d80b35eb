"""The requests that Open WebUI 0.12.4 sends for its documents and queries, byte by byte as its aiohttp client does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aiohttp
import pytest

from tests.bridge_process import Bridge
from tests.bridge_process import bridge as start_bridge
from tests.integration.clients.texts import QUESTION, same

# Open WebUI puts a space for each newline of a document before it embeds it.
CHUNKS = ["年假 每位员工每年有十五天带薪休假。", "Sick leave needs a note from a doctor.", "差旅费用在三十天内报销。"]
# RAG_EMBEDDING_PREFIX_FIELD_NAME and what RAG_EMBEDDING_QUERY_PREFIX and …_CONTENT_PREFIX are to be set to.
ROLE_FIELD = "input_type"
# A document of so many chunks, at Open WebUI's own settings: each chunk a request, all at once.
BURST = 60

Embed = Callable[..., Coroutine[Any, Any, list[list[float]]]]


async def ollama_engine(
    base: str, texts: Sequence[str], prefix: str | None = None, *, model: str = "demo", key: str = ""
) -> list[list[float]]:
    """retrieval/utils.py, agenerate_ollama_batch_embeddings."""
    body: dict[str, object] = {"input": list(texts), "model": model, "truncate": True}
    if prefix is not None:
        body[ROLE_FIELD] = prefix
    data = await _post(f"{base}/api/embed", body, key)
    vectors: list[list[float]] = data["embeddings"]
    return vectors


async def openai_engine(
    base: str, texts: Sequence[str], prefix: str | None = None, *, model: str = "demo", key: str = ""
) -> list[list[float]]:
    """retrieval/utils.py, agenerate_openai_batch_embeddings: the order of `data` counts, `index` is not read."""
    body: dict[str, object] = {"input": list(texts), "model": model}
    if prefix is not None:
        body[ROLE_FIELD] = prefix
    data = await _post(f"{base}/embeddings", body, key)
    return [entry["embedding"] for entry in data["data"]]


async def _post(url: str, body: dict[str, object], key: str) -> dict[str, Any]:
    """One request on a connection of its own; an error is what Open WebUI shows of it."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, headers=headers, json=body) as response,
    ):
        if not response.ok:
            raise RuntimeError(f"{response.status}: {(await response.json())['error']}")
        data: dict[str, Any] = await response.json()
        return data


ENGINES = [
    pytest.param(ollama_engine, "", id="ollama"),
    pytest.param(ollama_engine, "/", id="ollama, slash at the end of the URL"),
    pytest.param(openai_engine, "/v1", id="openai"),
    pytest.param(openai_engine, "/v1/", id="openai, slash at the end of the URL"),
    pytest.param(openai_engine, "", id="openai, no /v1 in the URL"),
]


@pytest.mark.parametrize(("embed", "suffix"), ENGINES)
def test_as_it_comes(bridge: Bridge, embed: Embed, suffix: str) -> None:
    """Nothing set but the URL: chunks and a query are embedded as Ollama itself would, whatever the URL ends with."""
    base = bridge.url + suffix

    assert same(asyncio.run(embed(base, CHUNKS)), bridge.embed(*CHUNKS))
    assert same(asyncio.run(embed(base, [QUESTION], key="set but not asked for")), bridge.embed(QUESTION))


@pytest.mark.parametrize(("embed", "suffix"), ENGINES)
def test_role_by_field(bridge: Bridge, embed: Embed, suffix: str) -> None:
    """With the prefix field set, a query gets Qwen's instruction and a document none."""
    base = bridge.url + suffix

    query = asyncio.run(embed(base, [QUESTION], "query"))
    chunks = asyncio.run(embed(base, CHUNKS, "document"))

    prompt = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
    assert same(query, bridge.embed(prompt + QUESTION))
    assert same(chunks, bridge.embed(*CHUNKS))


@pytest.mark.parametrize(("embed", "suffix"), [ENGINES[0], ENGINES[2]])
def test_dimensions_by_the_models_name(bridge: Bridge, embed: Embed, suffix: str) -> None:
    """Open WebUI never sends `dimensions`; RAG_EMBEDDING_MODEL=demo@512 chooses them."""
    vectors = asyncio.run(embed(bridge.url + suffix, CHUNKS, "document", model="demo@512"))

    assert same(vectors, bridge.embed(*CHUNKS, dimensions=512))


@pytest.mark.parametrize(("embed", "suffix"), [ENGINES[0], ENGINES[2]])
def test_a_document_of_many_chunks(bridge: Bridge, embed: Embed, suffix: str) -> None:
    """Hundreds of requests at once, each with its own connection and one text, all get the right vector."""
    texts = [f"第{number}章 annual leave" for number in range(BURST)]

    async def upload() -> list[list[float]]:
        answers = await asyncio.gather(*(embed(bridge.url + suffix, [text], "document") for text in texts))
        return [vector for (vector,) in answers]

    assert same(asyncio.run(upload()), bridge.embed(*texts))


def test_its_user_sees_our_sentence(bridge: Bridge) -> None:
    """On the Ollama engine the text of a refusal is what the user of Open WebUI reads beside the failed file."""
    with pytest.raises(RuntimeError, match="404: model 'qwen3-embedding:4b' not found: it is not"):
        asyncio.run(ollama_engine(bridge.url, CHUNKS, model="qwen3-embedding:4b"))


def test_too_long_a_chunk_is_cut() -> None:
    """Open WebUI's Ollama engine always sends `truncate: true`, which is the leave to cut that the bridge asks for."""
    with start_bridge("--demo", "--set", "engine.context=256", "--set", "engine.threads=1") as small:
        cut = asyncio.run(ollama_engine(small.url, ["annual leave " * 500]))

        assert same(cut, small.embed(("annual leave " * 127).rstrip()))
        with pytest.raises(RuntimeError, match=r"400: .*the limit is 254"):
            asyncio.run(openai_engine(f"{small.url}/v1", ["annual leave " * 500]))
