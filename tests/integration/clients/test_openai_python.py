"""The `openai` package for Python, synchronous and not, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import openai
import pytest

from tests.bridge_process import Bridge
from tests.integration.clients.texts import QUESTION, TEXTS, Floats, same


@pytest.fixture(scope="module")
def openai_client(bridge: Bridge) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{bridge.url}/v1", api_key="none is asked for", max_retries=0) as client:
        yield client


def test_openai_python_asks_for_base64(openai_client: openai.OpenAI, expected: Floats) -> None:
    """Left alone the client asks for base64, which it decodes to the same numbers."""
    raw = openai_client.embeddings.with_raw_response.create(model="demo", input=TEXTS)
    answer = raw.parse()

    assert '"encoding_format":"base64"' in raw.http_request.content.decode()
    assert same([entry.embedding for entry in answer.data], expected)
    assert list(range(len(TEXTS))) == [entry.index for entry in answer.data]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > len(TEXTS)
    assert answer.model == "demo"


def test_openai_python_float_equals_base64(openai_client: openai.OpenAI) -> None:
    """Both encodings carry the same float32, bit by bit."""
    base64 = openai_client.embeddings.create(model="demo", input=QUESTION, dimensions=1024)
    floats = openai_client.embeddings.create(
        model="demo", input=QUESTION, dimensions=1024, encoding_format="float", user="someone"
    )

    assert len(floats.data[0].embedding) == 1024
    assert np.array_equal(np.array(base64.data[0].embedding, "f4"), np.array(floats.data[0].embedding, "f4"))


def test_openai_python_sends_the_role_as_an_extra_field(openai_client: openai.OpenAI, bridge: Bridge) -> None:
    """`extra_body` carries `input_type` for those who may change a line of their program."""
    answer = openai_client.embeddings.create(model="demo", input=QUESTION, extra_body={"input_type": "query"})

    assert same(answer.data[0].embedding, bridge.embed(QUESTION, input_type="query")[0])
    assert not same(answer.data[0].embedding, bridge.embed(QUESTION)[0])


def test_openai_python_lists_the_models(openai_client: openai.OpenAI) -> None:
    """`models.list` names what may be asked for."""
    assert [model.id for model in openai_client.models.list()] == ["demo:stand-in", "demo"]


@pytest.mark.parametrize("model", ["demo", "demo@query,512", "demo:stand-in", "library/demo", "demo-query"])
def test_openai_python_retrieves_a_model(openai_client: openai.OpenAI, model: str) -> None:
    """By any name that can be embedded under, which the client puts into a path as it is or encoded."""
    assert openai_client.models.retrieve(model).id == model


def test_openai_python_retrieves_no_other_model(openai_client: openai.OpenAI) -> None:
    """404, as its own exception."""
    with pytest.raises(openai.NotFoundError, match="model 'Qwen/other' not found"):
        openai_client.models.retrieve("Qwen/other")


def test_openai_python_is_given_its_base_url(bridge: Bridge) -> None:
    """Without /v1, with too much before it, with an endpoint behind it, and as Azure's client asks."""
    for base in ("/api/v1", "/v1/v1", "/v1/embeddings", "/openai"):
        with (
            openai.OpenAI(base_url=bridge.url + base, api_key="none", max_retries=0) as client,
            pytest.raises(openai.NotFoundError, match=f"base URL to {bridge.url}/v1:"),
        ):
            client.embeddings.create(model="demo", input="x")
    with (
        openai.AzureOpenAI(
            azure_endpoint=bridge.url, api_version="2024-10-21", api_key="none", max_retries=0
        ) as client,
        pytest.raises(openai.NotFoundError, match=f"not AzureOpenAI. with the base URL {bridge.url}/v1"),
    ):
        client.embeddings.create(model="demo", input="x")


def test_openai_python_raises_our_words(openai_client: openai.OpenAI) -> None:
    """Refusals are the client's own classes, with our code and our sentence."""
    with pytest.raises(openai.NotFoundError, match="model 'other' not found") as unknown:
        openai_client.embeddings.create(model="other", input="x")
    with pytest.raises(openai.BadRequestError, match="from 32 to 2560") as wrong:
        openai_client.embeddings.create(model="demo", input="x", dimensions=2561)
    with pytest.raises(openai.BadRequestError, match="Send text") as tokens:
        openai_client.embeddings.create(model="demo", input=[15339, 1917])

    assert (unknown.value.code, unknown.value.type) == ("model_not_found", "not_found_error")
    assert (wrong.value.code, wrong.value.type) == ("dimensions_out_of_range", "invalid_request_error")
    assert tokens.value.code == "token_ids"


def test_openai_python_async(bridge: Bridge, expected: Floats) -> None:
    """The asynchronous client, too, has one answer a call, and its own exception."""

    async def talk() -> None:
        async with openai.AsyncOpenAI(base_url=f"{bridge.url}/v1", api_key="none", max_retries=0) as client:
            answers = await asyncio.gather(*(client.embeddings.create(model="demo", input=text) for text in TEXTS))
            assert same([answer.data[0].embedding for answer in answers], expected)
            with pytest.raises(openai.NotFoundError):
                await client.embeddings.create(model="other", input="x")

    asyncio.run(talk())
