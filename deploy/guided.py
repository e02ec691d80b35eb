"""The guided query: an invented company's handbook, one question, and what the bridge makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from embedstack.deploy.bridge_client import BridgeClient
from embedstack.models.demo.lexicon import read

DIMENSIONS = (2560, 1024, 256, 32)


class Passage(msgspec.Struct, frozen=True):
    """A paragraph of the handbook."""

    id: str
    text: str


class Question(msgspec.Struct, frozen=True):
    """What is asked, and the id of the paragraph that answers it."""

    text: str
    answer: str


@dataclass(frozen=True)
class Scored:
    """A paragraph and its cosine to the question by dimension, with the query instruction and without."""

    id: str
    text: str
    instructed: dict[int, float]
    plain: dict[int, float]


@dataclass(frozen=True)
class Guided:
    """`rendered` is the question as the engine got it; `ranking` goes by the instructed scores at full length."""

    question: str
    rendered: str
    answer: str
    ranking: tuple[Scored, ...]

    @property
    def first(self) -> dict[int, str]:
        """The best paragraph's id at each dimension, with the instruction."""
        return {k: max(self.ranking, key=lambda scored: scored.instructed[k]).id for k in DIMENSIONS}

    @property
    def right(self) -> bool:
        return set(self.first.values()) == {self.answer}


def handbook() -> list[Passage]:
    return msgspec.yaml.decode(read("passages.yaml"), type=list[Passage])


def questions() -> list[Question]:
    return msgspec.yaml.decode(read("questions.yaml"), type=list[Question])


def ask(client: BridgeClient, model: str, question: Question, passages: Sequence[Passage]) -> Guided:
    """Embed passages as documents, then `question` as a query and as plain text at every dimension, and rank."""
    documents = client.embed([p.text for p in passages], model=model, dimensions=DIMENSIONS[0], role="document")
    cosines = {
        k: [
            _cut(documents, k) @ client.embed([question.text], model=model, dimensions=k, role=role)[0]
            for role in ("query", None)
        ]
        for k in DIMENSIONS
    }
    scored = [
        Scored(
            passage.id,
            passage.text.strip(),
            instructed={k: float(cosines[k][0][i]) for k in DIMENSIONS},
            plain={k: float(cosines[k][1][i]) for k in DIMENSIONS},
        )
        for i, passage in enumerate(passages)
    ]
    scored.sort(key=lambda s: s.instructed[DIMENSIONS[0]], reverse=True)
    rendered = client.render(question.text, model=model, role="query")
    return Guided(question.text, rendered, question.answer, tuple(scored))


def _cut(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """Documents are stored once, at full length, and cut later: the first components, normalised again."""
    head = vectors[:, :dimensions]
    cut: NDArray[np.float32] = head / np.linalg.norm(head, axis=1, keepdims=True)
    return cut
