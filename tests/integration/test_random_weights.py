"""What uniform attention hides: RoPE, q/k norm and several layers, on random weights with Qwen's real vocabulary."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.engines.locate import locate
from tests.parity import Expected, cosines, disagreements, nfc, openai_embed
from tests.random_fixture import RandomFixture
from tests.reference import random_model, transformers_embed
from tests.reference.numpy_qwen3 import NumpyQwen3
from tests.reference.texts import PARITY_TEXTS
from tests.stacks import Stack, Stacks

# 4 layers of exact arithmetic in another order: engines agree to 0.999, as TEI asks of its own models.
AGREE = 0.999
TEXTS = tuple(text for text in PARITY_TEXTS if 0 < len(text) < 1000)[::2]
REFERENCES = json.loads(Path(random_model.__file__).with_name("token_refs.json").read_text(encoding="utf-8"))
FOUR = tuple(REFERENCES[place]["text"] for place in (0, 2, 3, 4))


@pytest.fixture
def stack(random_stacks: Stacks, engine: str) -> Stack:
    return random_stacks[engine]


@pytest.fixture(scope="module")
def expected(random_fixture: RandomFixture) -> Expected:
    return Expected.of(NumpyQwen3.load(random_fixture.hf), TEXTS)


@pytest.mark.thorough
def test_distinct_texts_are_far_apart(expected: Expected) -> None:
    """Agreement to 0.999 means something only where different texts lie below 0.9."""
    distinct = [i for i, text in enumerate(nfc(expected.texts)) if text not in nfc(expected.texts)[:i]]
    unit = expected.vectors[distinct]
    assert (unit @ unit.T - 2 * np.eye(len(unit))).max() < 0.9


@pytest.mark.thorough
def test_every_engine_agrees_with_numpy(stack: Stack, expected: Expected) -> None:
    """Vectors at every cut, token counts and batches are those of the reference, on every engine behind the bridge."""
    assert disagreements(openai_embed(stack.bridge.url, "random"), expected, AGREE) == []


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: reference["text"][-30:] or "empty")
@pytest.mark.thorough
def test_qwens_token_counts(stack: Stack, reference: dict[str, object]) -> None:
    """With Qwen's real vocabulary every engine counts the tokens that Qwen's tokenizer makes, EOS once."""
    answer = stack.bridge.post("/api/embed", {"model": "random", "input": [reference["text"]]}).json()
    assert reference["n_with_eos"] == answer["prompt_eval_count"]


def test_the_four_reference_texts_have_89_tokens(stack: Stack) -> None:
    """85 would be a missing EOS, 93 a doubled one."""
    answer = stack.bridge.post("/api/embed", {"model": "random", "input": list(FOUR)}).json()
    assert answer["prompt_eval_count"] == 89


@pytest.mark.needs("vllm")
def test_transformers_agrees(random_fixture: RandomFixture, expected: Expected, tmp_path: Path) -> None:
    """Qwen's own recipe on `transformers` (which vLLM's environment carries) gives the reference's vectors."""
    vllm = locate("vllm")
    assert vllm is not None
    (tmp_path / "texts.json").write_text(json.dumps(expected.texts), encoding="utf-8")
    command = [str(vllm.program("python")), transformers_embed.__file__, str(random_fixture.hf), str(tmp_path)]
    subprocess.run(command, check=True, timeout=300)
    vectors = np.load(tmp_path / "vectors.npy")
    assert cosines(vectors, expected.vectors).min() >= AGREE
