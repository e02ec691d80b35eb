"""The vectors are right. None of this needs a GPU: CI runs it with the demo model."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embedstack.deploy.handbook import chapters
from embedstack.deploy.smoke.result import Smoke
from embedstack.deploy.smoke.server import EmbeddingServer
from embedstack.models.model import Model
from tests.corpus.extracted import chunks
from tests.corpus.questions import QUESTIONS
from tests.corpus.texts import near_duplicates
from tests.reference.numpy_qwen3 import Floats, cut

CHECKS = (
    *("version", "ready", "model", "dimensions", "unit norm", "token counts", "single = batch", "cut to 32"),
    *("cut to 1024", "cut out of range", "roles differ", "query prompt", "scores at 2560", "right document first"),
)
"""Of a model with 2,560 dimensions, as the 4B and the demo model are."""
CHUNKS = [chunk for chapter in chapters() for chunk in chunks(chapter)]


def embed(server: EmbeddingServer, texts: Sequence[str], role: str) -> Floats:
    """By OpenAI's route and in base64, where `embedstack smoke` takes Ollama's and numbers."""
    body = {"model": server.model, "input": list(texts), "input_type": role, "encoding_format": "base64"}
    rows = server.client.post("/v1/embeddings", body)["data"]
    return np.stack([np.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4") for row in rows])


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_of_the_smoke_test(name: str, smoke: Smoke) -> None:
    """Each is made, and passes."""
    found = {check.name: check for check in smoke.checks}[name]

    assert found.passed, f"{found.value}, must be {found.must}"


def test_no_other_check_fails(smoke: Smoke) -> None:
    """Whichever there are for this model."""
    assert smoke.failed == ()


def test_reference_scores_by_the_other_door(server: EmbeddingServer, model: Model) -> None:
    """Every published or computed score matrix, from full vectors that were cut here."""
    reference = model.reference
    assert reference is not None
    known = reference.scores_for(model.precision(server.precision or model.default_quantisation))
    vectors = embed(server, reference.texts, "document")

    assert known
    for scores in known:
        small = cut(vectors, scores.dimensions)
        got = small[list(reference.queries)] @ small[list(reference.documents)].T
        assert np.abs(got - np.array(scores.matrix)).max() <= (scores.tolerance or 0.0)


def test_questions_find_their_paragraph_in_the_handbook(server: EmbeddingServer) -> None:
    """In Chinese and in English, first of all that Open WebUI would make of it."""
    documents = embed(server, [chunk.replace("\n", " ") for chunk in CHUNKS], "document")
    scores = embed(server, list(QUESTIONS), "query") @ documents.T
    first = {question: CHUNKS[int(row.argmax())] for question, row in zip(QUESTIONS, scores, strict=True)}

    assert {q: chunk for q, chunk in first.items() if not any(said in chunk for said in QUESTIONS[q])} == {}


def test_near_duplicates_have_vectors_of_their_own(server: EmbeddingServer, model: Model) -> None:
    """They differ in one word, number or mark, or in its place: only the demo model, a bag of words, ignores order."""
    texts = [text for group in near_duplicates() for text in group.texts]
    vectors = embed(server, texts, "document")
    by_its_text = [text if model.hub_id else "".join(sorted(text)) for text in texts]

    assert len(np.unique(vectors, axis=0)) >= len(set(by_its_text)) >= len(texts) - 1


def test_many_at_once_are_what_each_is_alone(server: EmbeddingServer) -> None:
    """Thirty-two requests in flight: a GPU computes them in batches, and must not mix them up."""
    texts = [f"Request {number}: {chunk}" for number in range(4) for chunk in CHUNKS][:32]
    alone = np.concatenate([embed(server, [f"{text} " for text in texts[:4]], "document")])
    with ThreadPoolExecutor(len(texts)) as pool:
        together = list(pool.map(lambda text: embed(server, [f"{text} "], "document")[0], texts))

    assert (np.einsum("ij,ij->i", alone, np.stack(together[:4])) > 0.999).all()
    assert len(np.unique(np.stack(together), axis=0)) == len(texts)
