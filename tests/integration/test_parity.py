"""Every engine, behind the bridge, computes what a NumPy reference of the model computes."""

from __future__ import annotations

import random

import numpy as np
import pytest

from embedstack.models.demo.build import DemoFiles
from tests.parity import Expected, cosines, disagreements, openai_embed
from tests.reference.numpy_qwen3 import NumpyQwen3
from tests.reference.texts import PARITY_TEXTS
from tests.stacks import Stack

LONG = 700  # tokens


@pytest.fixture(scope="session")
def expected(demo: DemoFiles) -> Expected:
    return Expected.of(NumpyQwen3.load(demo.hf), PARITY_TEXTS)


def test_the_texts_are_many_and_of_every_length(expected: Expected) -> None:
    """At least 60 texts, of 1 to 6,000 tokens, so that the tests below mean something."""
    assert len(expected.texts) >= 60
    assert min(expected.tokens) == 1
    assert 6000 <= max(expected.tokens) <= 8190


def test_vectors_and_token_counts_are_those_of_the_reference(stack: Stack, expected: Expected) -> None:
    """Cosine to NumPy 0.9999, norm 1, one EOS a text, and a batch equal to its texts one by one, on every engine."""
    short = expected.only(lambda tokens: tokens <= LONG)
    assert disagreements(openai_embed(stack.bridge.url, "demo"), short) == []


@pytest.mark.thorough
def test_long_texts_are_those_of_the_reference(stack: Stack, expected: Expected) -> None:
    """The same of texts up to 6,000 tokens, which take an engine some seconds each."""
    long = expected.only(lambda tokens: tokens > LONG)
    assert len(long.texts) >= 3
    assert disagreements(openai_embed(stack.bridge.url, "demo"), long) == []


def test_both_doors_and_both_encodings_answer_the_same_vector(stack: Stack, expected: Expected) -> None:
    """Base64 and float are equal to the bit, and Ollama's door answers the same numbers as OpenAI's; but for the last
    digits of vLLM, which computes a text in whatever company it arrives."""
    texts = expected.only(lambda tokens: tokens < 25).texts
    floats = openai_embed(stack.bridge.url, "demo")(texts).vectors
    within = 1e-6 if stack.engine == "vllm" else 0.0
    for again in (
        openai_embed(stack.bridge.url, "demo", "base64")(texts).vectors,
        np.array(stack.bridge.embed(*texts), dtype=np.float32),
    ):
        np.testing.assert_allclose(again, floats, rtol=0, atol=within)


@pytest.mark.parametrize("count", [1, 2, 3, 31, 32, 33, 64, 100, 256])
def test_order_is_kept(stack: Stack, expected: Expected, count: int) -> None:
    """However many texts a request has, each vector is that of the text at its place."""
    short = expected.only(lambda tokens: tokens <= 12)
    places = random.Random(count).choices(range(len(short.texts)), k=count)  # noqa: S311 -- an order, not a secret
    vectors = np.array(stack.bridge.embed(*(short.texts[place] for place in places)), dtype=np.float32)
    assert cosines(vectors, short.vectors[places]).min() >= 0.9999
