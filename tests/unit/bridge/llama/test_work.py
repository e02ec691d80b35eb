"""What llama.cpp decodes next, on the demo model itself: right vectors, the same bits, prompts computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from embedstack.bridge.llama.frames import Ask, Cancel, Computed
from embedstack.bridge.llama.library import Aborted, LlamaContext, LlamaModel, Part
from embedstack.bridge.llama.work import Prefixes, Sizes, State, Work
from embedstack.models.demo.build import DemoFiles
from embedstack.vectors.mrl import Vectors

SIZES = Sizes(cells=512, sequences=16, slice=32)
PROMPT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
LONG = " ".join(f"word {number} 年假" for number in range(60))


@dataclass
class Watched:
    """The real context, the sequences of each decode, and what is done before the nth."""

    context: LlamaContext
    decodes: list[list[Part]] = field(default_factory=list)
    before: dict[int, Callable[[], None]] = field(default_factory=dict)
    restored: int = 0

    def decode(self, parts: Sequence[Part]) -> list[Vectors]:
        self.context.clear_abort()
        self.before.pop(len(self.decodes), lambda: None)()
        self.decodes.append(list(parts))
        return self.context.decode(parts)

    def fork(self, source: int, target: int) -> None:
        self.context.fork(source, target)

    def forget(self, sequence: int, first: int = 0) -> None:
        self.context.forget(sequence, first)

    def clear(self) -> None:
        self.context.clear()

    def save(self, sequence: int) -> State:
        return self.context.save(sequence)

    def restore(self, state: State, sequence: int) -> None:
        self.restored += 1
        self.context.restore(state, sequence)


@pytest.fixture(scope="module")
def model(demo: DemoFiles) -> LlamaModel:
    return LlamaModel(demo.gguf, gpu_layers=0)


@pytest.fixture(scope="module")
def context(model: LlamaModel) -> LlamaContext:
    return LlamaContext(model, cells=SIZES.cells, sequences=16, batch=32, threads=1)


@pytest.fixture(scope="module")
def reference(model: LlamaModel) -> LlamaContext:
    """One that keeps a row for each of 64 tokens, which the library's own way to embeddings needs."""
    return LlamaContext(model, cells=256, sequences=64, batch=64, threads=1)


class Bench:
    """Work on a clean context, and what it has sent."""

    def __init__(self, model: LlamaModel, context: LlamaContext) -> None:
        context.clear()
        self.decoder = Watched(context)
        self.sent: dict[int, Computed] = {}
        self._calls = 0
        self.work = Work(
            self.decoder,
            model.tokens,
            prompt_tokens=model.prompt_tokens,
            dimensions=model.dimensions,
            sizes=SIZES,
            send=lambda computed: self.sent.update({computed.call: computed}),
        )

    def ask(self, *texts: str, prompt: str = "") -> int:
        self._calls += 1
        prompts = [prompt if text.startswith(prompt) else "" for text in texts]
        self.work.take(Ask(self._calls, texts, prompts, urgent=False))
        return self._calls

    def run(self) -> None:
        while not self.work.is_idle:
            try:
                self.work.step()
            except Aborted:
                continue

    def rows(self, call: int) -> Vectors:
        computed = self.sent[call]
        return np.frombuffer(computed.vectors, np.float32).reshape(len(computed.tokens), -1)

    def vectors(self, *texts: str, prompt: str = "") -> Vectors:
        call = self.ask(*texts, prompt=prompt)
        self.run()
        return self.rows(call)


@pytest.fixture
def bench(model: LlamaModel, context: LlamaContext) -> Iterator[Bench]:
    made = Bench(model, context)
    yield made
    assert made.work.is_idle


def cosines(one: Vectors, other: Vectors) -> Vectors:
    return np.sum(one.astype(np.float64) * other.astype(np.float64), axis=-1)


def of_its_own(context: LlamaContext, model: LlamaModel, text: str) -> Vectors:
    """The library's own vector of a short text."""
    pooled = context.pooled(model.tokens(text))
    return pooled / np.linalg.norm(pooled)


@pytest.mark.parametrize("text", ["", "a", "公司年假政策有哪些？", PROMPT + "年假", "naïve 👩‍💻 text"])
def test_a_text_has_the_vector_that_the_library_makes_of_it(
    bench: Bench, reference: LlamaContext, model: LlamaModel, text: str
) -> None:
    """Computed without the output head and, with a prompt, after a restored prefix."""
    [found] = bench.vectors(text, prompt=PROMPT)
    assert cosines(found, of_its_own(reference, model, text)) > 0.999999
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("text", [LONG, PROMPT + "年假有几天", "short"])
def test_a_text_alone_has_the_same_bits_each_time(bench: Bench, text: str) -> None:
    """The first time its prompt is decoded, then restored; other prompts and texts have come and gone meanwhile."""
    first = bench.vectors(text, prompt=PROMPT).copy()
    for turn in range(6):
        bench.vectors(f"Instruct: {turn} of another kind\nQuery: x", prompt=f"Instruct: {turn} of another kind\nQuery:")
        bench.vectors(*(f"{LONG} {other}" for other in range(1 + turn % 4)))
        assert (bench.vectors(text, prompt=PROMPT) == first).all()


@pytest.mark.slow
def test_company_changes_nothing_that_shows(bench: Bench) -> None:
    """Beside fifty others, of all lengths."""
    texts = [LONG[: 9 * count] + f" {count}" for count in range(1, 50)] + [PROMPT + "年假", LONG]
    alone = np.concatenate([bench.vectors(text, prompt=PROMPT) for text in texts])
    call = bench.ask(*texts, prompt=PROMPT)
    bench.run()
    assert cosines(bench.rows(call), alone).min() > 0.99999


def test_a_prompt_is_computed_once_and_shared(bench: Bench, model: LlamaModel) -> None:
    """Three texts in one decode, of their own tokens alone."""
    bench.vectors(PROMPT + "one", prompt=PROMPT)
    prompt = len(model.prompt_tokens(PROMPT))
    assert [len(part.tokens) for part in bench.decoder.decodes[0]] == [prompt]
    bench.decoder.decodes.clear()
    texts = [PROMPT + text for text in ("two", "three", "年假")]
    bench.vectors(*texts, prompt=PROMPT)
    [parts] = bench.decoder.decodes
    assert [part.position for part in parts] == [prompt] * 3
    assert [len(part.tokens) for part in parts] == [len(model.tokens(text)) - prompt for text in texts]
    for text in texts:
        bench.vectors(text, prompt=PROMPT)
    assert bench.decoder.restored == 1
    bench.vectors("no prompt")
    bench.vectors(PROMPT + "four", prompt=PROMPT)
    assert bench.decoder.restored == 2


def test_what_is_shared_is_counted_in_tokens(bench: Bench, reference: LlamaContext, model: LlamaModel) -> None:
    """Where a prompt's last characters belong to a token of the text, that token is the text's own."""
    merged = 0
    for cut in range(8, 26):
        text = "the annual leave of the company"
        prompt = text[:cut]
        ids, own = model.prompt_tokens(prompt), model.tokens(text)
        merged += not (own[: len(ids)] == ids).all()
        [found] = bench.vectors(text, prompt=prompt)
        assert cosines(found, of_its_own(reference, model, text)) > 0.999999
    assert merged


def test_a_cancelled_text_is_not_computed(bench: Bench) -> None:
    """Begun or not; the rest of its call gets its vectors, and one that is wholly cancelled is answered at once."""
    call = bench.ask(LONG, "kept", LONG + " too")
    bench.work.step()
    assert bench.work.only(call, [0, 1, 2])
    assert not bench.work.only(call, [1])
    bench.work.cancel(Cancel(call, [0, 2]))
    bench.run()
    assert list(bench.sent[call].cancelled) == [0, 2]
    assert (bench.rows(call)[[0, 2]] == 0).all()
    assert (bench.rows(call)[1] == bench.vectors("kept")[0]).all()
    other = bench.ask(LONG)
    bench.work.cancel(Cancel(other, [0]))
    assert bench.sent[other].cancelled == [0]
    bench.work.cancel(Cancel(other, [0]))


def test_a_text_without_room_fails_alone(bench: Bench, model: LlamaModel) -> None:
    """Longer than the context; those beside it are answered."""
    call = bench.ask(LONG * 4, "short")
    bench.run()
    [(index, reason)] = bench.sent[call].failed
    assert (index, reason) == (0, f"it has {len(model.tokens(LONG * 4))} tokens, and 1 to {SIZES.cells} fit")
    assert (bench.rows(call)[1] == bench.vectors("short")[0]).all()


def test_what_is_no_number_spreads_to_nobody(
    bench: Bench, context: LlamaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts that were there with it are computed again, each alone, and it alone has no vector."""
    right = {text: bench.vectors(text)[0].copy() for text in ("one", "three", LONG)}
    decode, bad = context.decode, context._model.tokens("a bad text")  # the demo model makes numbers of every text

    def spreading(parts: Sequence[Part]) -> list[Vectors]:
        held.update(part.sequence for part in parts if part.tokens[: len(bad)].tolist() == bad.tolist())
        rows = decode(parts)
        return [row * np.float32("nan") if held else row for row in rows]

    held = set[int]()
    clear = bench.decoder.clear
    monkeypatch.setattr(context, "decode", spreading)
    monkeypatch.setattr(bench.decoder, "clear", lambda: (held.clear(), clear()))
    call = bench.ask("one", "a bad text", "three", LONG)
    bench.run()
    rows = bench.rows(call)
    assert np.isnan(rows[1]).all()
    for index, text in ((0, "one"), (2, "three"), (3, LONG)):
        assert (rows[index] == right[text]).all()


def test_the_least_used_prompt_goes_first() -> None:
    """Bytes are bounded; what was used last stays."""
    computed: list[int] = []

    def compute(ids: State) -> State:
        computed.append(int(ids[0]))
        return np.zeros(40, np.uint8)

    prefixes = Prefixes(lambda prompt: np.full(5, int(prompt), np.int32), compute, most_bytes=100)
    for prompt in ("1", "2", "1", "3", "1", "2"):
        assert prefixes.shared(prompt, np.full(9, int(prompt), np.int32)) == 5
        prefixes.state(prompt)
    assert computed == [1, 2, 3, 2]


def test_a_prompt_never_takes_all_of_a_text(model: LlamaModel) -> None:
    """One token remains, of which the vector is made."""
    prefixes = Prefixes(model.prompt_tokens, lambda ids: ids.view(np.uint8))
    assert prefixes.shared(PROMPT, model.prompt_tokens(PROMPT)) == len(model.prompt_tokens(PROMPT)) - 1
    assert prefixes.shared("", model.tokens("text")) == 0
    assert prefixes.shared("ab", model.tokens("ab c")) == 0
