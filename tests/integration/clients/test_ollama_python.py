"""The `ollama` package for Python, synchronous and not, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import numpy as np
import ollama
import pytest

from tests.bridge_process import Bridge
from tests.integration.clients.texts import TEXTS, Floats, same

TOO_LONG = "annual leave " * 8192


@pytest.fixture(scope="module")
def ollama_client(bridge: Bridge) -> Iterator[ollama.Client]:
    with ollama.Client(host=bridge.url) as client:
        yield client


def test_ollama_python_embeds_a_batch_in_order(ollama_client: ollama.Client, expected: Floats) -> None:
    """`embed` of a list gives one vector a text, the model as asked for and the tokens of all."""
    answer = ollama_client.embed("demo", TEXTS)

    assert same(answer.embeddings, expected)
    assert answer.model == "demo"
    assert answer.prompt_eval_count is not None
    assert answer.prompt_eval_count > len(TEXTS)
    assert answer.total_duration is not None


def test_ollama_python_sends_every_argument(ollama_client: ollama.Client, expected: Floats) -> None:
    """`dimensions` cuts; `truncate`, `options` and `keep_alive` change nothing in the vector of a short text."""
    answer = ollama_client.embed(
        "demo", TEXTS[0], truncate=True, options={"num_ctx": 512, "temperature": 0.5}, keep_alive="10m", dimensions=256
    )

    cut = expected[0, :256]
    assert same(answer.embeddings, [cut / np.linalg.norm(cut)])


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "[::ffff:127.0.0.1]", "localhost"])  # noqa: S104 -- asked, not bound
def test_ollama_python_with_the_address_of_all(
    bridge: Bridge, expected: Floats, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """OLLAMA_HOST as it is set for a server that listens everywhere: the package sends it as the Host."""
    monkeypatch.setenv("OLLAMA_HOST", f"{host}:{urlsplit(bridge.url).port}")

    with ollama.Client() as client:
        assert same(client.embed("demo", TEXTS).embeddings, expected)


def test_ollama_python_without_input_preloads(ollama_client: ollama.Client) -> None:
    """A call without input is Ollama's way to load a model; it has no vectors."""
    assert list(ollama_client.embed("demo").embeddings) == []


def test_ollama_python_legacy_embeddings(ollama_client: ollama.Client, expected: Floats) -> None:
    """`embeddings`, long deprecated, still gives the one vector of one prompt."""
    assert same(ollama_client.embeddings("demo", TEXTS[1]).embedding, expected[1])


def test_ollama_python_lists_and_shows(ollama_client: ollama.Client) -> None:
    """`list`, `ps` and `show` parse, name the model, and call it an embedding model."""
    listed = {model.model: model for model in ollama_client.list().models}
    loaded = ollama_client.ps().models
    shown = ollama_client.show("demo")

    assert {"demo:stand-in", "demo:latest", "demo@query:latest"} < set(listed)
    assert listed["demo:latest"].details is not None
    assert (listed["demo:latest"].details.family, listed["demo:latest"].details.quantization_level) == ("qwen3", "F16")
    assert [(model.name, model.context_length) for model in loaded] == [("demo:stand-in", 8192)]
    assert shown.capabilities == ["embedding"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["qwen3.embedding_length"] == 2560


@pytest.mark.parametrize(
    ("call", "status", "said"),
    [
        (lambda client: client.embed("demo", TOO_LONG), 400, "the limit is 8190"),
        (lambda client: client.embed("demo", "x", dimensions=31), 400, "from 32 to 2560"),
        (lambda client: client.embed("demo", "x", keep_alive="300"), 400, "a duration with a unit"),
        (lambda client: client.embed("demmo", "x"), 404, "Did you mean 'demo'?"),
        (lambda client: client.embeddings("other", "x"), 404, "model 'other' not found"),
        (lambda client: client.show("other"), 404, "model 'other' not found"),
        (lambda client: client.pull("demo"), 404, "There is nothing at /api/pull"),
    ],
    ids=["too long", "dimensions", "keep_alive", "mistyped model", "legacy", "show", "pull"],
)
def test_ollama_python_raises_our_words(
    ollama_client: ollama.Client, call: Callable[[ollama.Client], object], status: int, said: str
) -> None:
    """A refusal is a ResponseError with our status and our sentence."""
    with pytest.raises(ollama.ResponseError) as refusal:
        call(ollama_client)

    assert status == refusal.value.status_code
    assert said in refusal.value.error


def test_ollama_python_async(bridge: Bridge, expected: Floats) -> None:
    """The asynchronous client embeds many texts at once, each with its own answer, lists, and raises alike."""

    async def talk() -> None:
        async with ollama.AsyncClient(host=bridge.url) as client:
            answers = await asyncio.gather(*(client.embed("demo", [text]) for text in TEXTS))
            assert same([answer.embeddings[0] for answer in answers], expected)
            assert same((await client.embeddings("demo", TEXTS[1])).embedding, expected[1])
            assert (await client.list()).models[1].model == "demo:latest"
            assert len((await client.ps()).models) == 1
            assert (await client.show("demo")).capabilities == ["embedding"]
            with pytest.raises(ollama.ResponseError, match="from 32 to 2560"):
                await client.embed("demo", "x", dimensions=0)

    asyncio.run(talk())
