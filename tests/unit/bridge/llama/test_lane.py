"""Questions and documents side by side, on the demo model itself and in the threads of the engine process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from embedstack.bridge.llama.frames import Ask, Cancel, Computed
from embedstack.bridge.llama.lane import Documents, Questions
from embedstack.bridge.llama.library import LlamaModel, Part
from embedstack.bridge.llama.work import Sizes
from embedstack.models.demo.build import DemoFiles
from embedstack.vectors.mrl import Vectors

WITHIN = 30.0  # seconds
LONG = " ".join(f"word {number} 年假" for number in range(400))
FOR_DOCUMENTS = "word " * 200  # more tokens than a question may have here


class Lanes:
    """Both, and what they have sent. `calls` are in the order of the answers."""

    def __init__(self, model: LlamaModel) -> None:
        self.calls: list[int] = []
        self.errors: list[BaseException] = []
        self._asked = 0
        self._frames: queue.SimpleQueue[Ask | Cancel] = queue.SimpleQueue()
        self._sent: dict[int, Computed] = {}
        self._changed = threading.Condition()
        self.documents = Documents(model, Sizes(4096, 16, 128), threads=1, send=self.send)
        self.questions = Questions(model, Sizes(512, 16, 128), threads=1, bridge=self, documents=self.documents)
        self.documents.start(ended=self.errors.append)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            self.questions.serve()
        except RuntimeError as error:
            self.errors.append(error)

    def receive(self, *, wait: bool) -> Ask | Cancel | None:
        try:
            return self._frames.get(block=wait)
        except queue.Empty:
            return None

    def send(self, answer: Computed) -> None:
        with self._changed:
            self._sent[answer.call] = answer
            self.calls.append(answer.call)
            self._changed.notify_all()

    def ask(self, text: str, *, urgent: bool = False) -> int:
        self._asked += 1
        self._frames.put(Ask(self._asked, [text], [""], urgent))
        return self._asked

    def cancel(self, call: int) -> None:
        self._frames.put(Cancel(call, [0]))

    def answer(self, call: int) -> Computed:
        with self._changed:
            assert self._changed.wait_for(lambda: call in self._sent, WITHIN), (call, self.errors)
        return self._sent[call]

    def vector(self, call: int) -> Vectors:
        answer = self.answer(call)
        assert not answer.failed
        return np.frombuffer(answer.vectors, np.float32)


@pytest.fixture(scope="module")
def lanes(demo: DemoFiles) -> Iterator[Lanes]:
    made = Lanes(LlamaModel(demo.gguf, gpu_layers=0))
    yield made
    assert made.errors == []


def test_a_question_is_answered_while_a_document_stands_still(lanes: Lanes) -> None:
    """However far the document is: it goes on afterwards, to the same bits."""
    alone = lanes.vector(lanes.ask(LONG))
    asked = lanes.vector(lanes.ask("年假有几天", urgent=True))
    for turn in range(8):
        document = lanes.ask(LONG + " " * (turn % 2))
        for _ in range(turn):
            assert (lanes.vector(lanes.ask("年假有几天", urgent=True)) == asked).all()
        found = lanes.vector(document)
        assert turn % 2 or (found == alone).all()


def test_documents_wait_for_a_question_and_not_the_other_way_round(lanes: Lanes) -> None:
    """Paused by hand, a document is not computed; a question is, and lets it go on."""
    lanes.documents.context.pause()
    document = lanes.ask(LONG)
    question = lanes.ask("How many days?", urgent=True)
    lanes.answer(question)
    lanes.answer(document)

    assert lanes.calls.index(question) < lanes.calls.index(document)


def test_a_long_question_is_computed_among_the_documents(lanes: Lanes) -> None:
    """The same vector as a document's; what cancels it finds it there."""
    asked = lanes.vector(lanes.ask(FOR_DOCUMENTS, urgent=True))
    assert (asked == lanes.vector(lanes.ask(FOR_DOCUMENTS))).all()

    gone = lanes.ask(LONG, urgent=True)
    lanes.cancel(gone)
    assert list(lanes.answer(gone).cancelled) == [0]


def test_a_document_that_is_cancelled_ends_in_the_middle(lanes: Lanes) -> None:
    """Also one that is being computed; the next has the vector that it always has."""
    alone = lanes.vector(lanes.ask("short"))
    for _ in range(5):
        gone = lanes.ask(LONG)
        lanes.cancel(gone)
        assert list(lanes.answer(gone).cancelled) == [0]
        assert (lanes.vector(lanes.ask("short")) == alone).all()


def test_documents_go_on_when_the_last_question_is_cancelled(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled between two of its own decodes, while the documents stand still."""
    decode = lanes.questions.context.decode

    def cancelled_after(parts: Sequence[Part]) -> list[Vectors]:
        lanes.cancel(question)
        return decode(parts)

    document = lanes.ask(LONG)
    monkeypatch.setattr(lanes.questions.context, "decode", cancelled_after)
    question = lanes.ask("word " * 100, urgent=True)
    assert lanes.answer(question).cancelled == [0]
    assert lanes.answer(document).failed == []


def test_what_ends_a_lane_is_told(demo: DemoFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends with it, and the bridge starts another; a silent thread would never answer again."""
    lanes = Lanes(LlamaModel(demo.gguf, gpu_layers=0))
    fault = RuntimeError("llama_decode returned -3")

    def fails(_parts: object) -> list[Vectors]:
        raise fault

    monkeypatch.setattr(lanes.questions.context, "decode", fails)
    lanes.ask("a question", urgent=True)
    for _ in range(300):
        if lanes.errors:
            break
        threading.Event().wait(WITHIN / 300)
    assert lanes.errors == [fault]
