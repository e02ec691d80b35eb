"""A question beside an upload at the real model's size: Ollama and llama-server asked directly, and the bridge with its
embedded engine as llama.cpp's server and by the C API, on one GGUF in the shape of Qwen3-Embedding with random weights.
"""

import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import psutil
import requests
import yaml

from benchmarks.figures import percentile
from benchmarks.outcome import Outcome, Points, Result
from tests import random_fixture
from tests.bridge_process import bridge
from tests.engines.run import llama_server, ollama_create, ollama_server
from tests.reference import real_shape

MODEL, CONTEXT = "real-shape", 8192
EVERY = 2.0  # seconds between two questions beside an upload
INSTRUCTION = (
    "Given a question about the rules of a company, retrieve the paragraphs of its handbook, in Chinese or in English, "
    "that answer the question, and none that only mention the same words"
)
OLLAMA, LLAMA_SERVER, FALLBACK, BY_API = "Ollama", "llama-server", "bridge, server", "bridge, C API"
_TASK = "Given a web search query, retrieve relevant passages that answer the query"
_CHINESE = "报销 年假 发票 差旅 审批 流程 员工 合同"
_ENGLISH = "policy travel invoice vacation server certificate ssl configure password reset laptop printer audit"
_WORDS = [*_CHINESE.split(), *_ENGLISH.split(), "holiday", "sick", "leave", "remote", "work", "device", "network"]


@dataclass(frozen=True)
class Plan:
    """How much is asked. Words, not tokens: 150 words are some 225 tokens."""

    chunks: int = 24
    words: int = 150
    questions: int = 7
    short: int = 64
    instructed: int = 32


QUICK = Plan(chunks=3, questions=2, short=8, instructed=4)


@dataclass
class Side:
    """What one of them took, in seconds."""

    idle: list[float] = field(default_factory=list)
    beside: list[tuple[float, float]] = field(default_factory=list)  # when it was asked, how long it took
    upload: float = 0.0
    alone: float = 0.0
    short: float = 0.0
    instructed: float = 0.0

    @property
    def times_idle(self) -> float:
        return percentile([took for _, took in self.beside], 95) / statistics.median(self.idle)


Ask = Callable[[str, str | None], float]
"""Seconds for one text, with an instruction where one is given."""


def run(plan: Plan, shape: str = "0.6b") -> Result:
    """One after another; those that are not asked stand idle."""
    gguf = real_shape.build(shape)
    sides = dict[str, Side]()
    with tempfile.TemporaryDirectory(prefix="embedstack-realsize-") as made:
        for name, start in _starts(Path(made), gguf, shape).items():
            with start() as ask:
                sides[name] = _side(ask, plan)
    lines: Mapping[str, Points] = {name: side.beside for name, side in sides.items()}
    return Result(list(_outcomes(sides, plan)), lines)


def _side(ask: Ask, plan: Plan) -> Side:
    side, words = Side(), _Words()
    for _ in range(2):
        ask(words.of(8), _TASK)
    side.idle = [ask(words.of(8), _TASK) for _ in range(plan.questions)]
    side.alone = _all_at_once(ask, [words.of(plan.words) for _ in range(plan.chunks)])
    side.upload = _beside(ask, [words.of(plan.words) for _ in range(plan.chunks)], side.beside, words)
    side.short = _all_at_once(ask, [words.of(8) for _ in range(plan.short)])
    side.instructed = _all_at_once(ask, [words.of(10) for _ in range(plan.instructed)], INSTRUCTION)
    return side


def _all_at_once(ask: Ask, texts: Sequence[str], instruction: str | None = None) -> float:
    """A request for each, as Open WebUI sends a document's chunks."""
    began = time.perf_counter()
    threads = [threading.Thread(target=ask, args=(text, instruction)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _beside(ask: Ask, texts: Sequence[str], beside: list[tuple[float, float]], words: "_Words") -> float:
    done, began, askers = threading.Event(), time.perf_counter(), list[threading.Thread]()

    def question() -> None:
        asked = time.perf_counter() - began
        beside.append((asked, ask(words.of(8), _TASK)))

    def questions() -> None:
        while not done.wait(EVERY):
            askers.append(threading.Thread(target=question))
            askers[-1].start()

    asking = threading.Thread(target=questions)
    asking.start()
    took = _all_at_once(ask, texts)
    done.set()
    for thread in (asking, *askers):
        thread.join()
    return took


def _outcomes(sides: Mapping[str, Side], plan: Plan) -> Iterator[Outcome]:
    own, name = sides[BY_API], "real size, random weights"
    idle = {each: statistics.median(side.idle) for each, side in sides.items()}
    said = _beside_words({each: f"{seconds * 1000:,.0f} ms" for each, seconds in idle.items()})
    yield Outcome(name, "question, idle p50, over Ollama's", idle[BY_API] / idle[OLLAMA], said, at_most=0.55)
    said = _beside_words({each: f"{side.times_idle:,.1f}" for each, side in sides.items() if each != BY_API})
    yield Outcome(name, f"beside {plan.chunks} chunks, p95 over its idle p50", own.times_idle, said, at_most=1.5)
    said = f"{own.upload:.0f} s with {len(own.beside)} questions, {own.alone:.0f} s without"
    yield Outcome(name, "that upload: alone over with the questions", own.alone / own.upload, said, at_least=0.75)
    for figure, count, took, bound in (
        ("chunks", plan.chunks, {each: side.alone for each, side in sides.items()}, 1.0),
        ("short texts", plan.short, {each: side.short for each, side in sides.items()}, 1.3),
        ("texts with a long instruction", plan.instructed, {each: s.instructed for each, s in sides.items()}, 2.5),
    ):
        rates = {each: count / seconds for each, seconds in took.items()}
        said = _beside_words({each: f"{rate:.2f}/s" for each, rate in rates.items()})
        yield Outcome(name, f"{figure}/s over Ollama's", rates[BY_API] / rates[OLLAMA], said, at_least=bound)


def _beside_words(figures: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {figure}" for name, figure in figures.items())


def _starts(made: Path, gguf: Path, shape: str) -> Mapping[str, Callable[[], AbstractContextManager[Ask]]]:
    catalog = made / "catalog.yaml"
    catalog.write_text(yaml.safe_dump({"models": {MODEL: _entry(shape)}}, allow_unicode=True), encoding="utf-8")
    known = ("--gguf", str(gguf), "--set", f"model.catalog={catalog}", "--set", f"model.id={MODEL}")
    known += ("--set", "model.precision=Q8_0", "--set", f"engine.context={CONTEXT}", "--set", "cache.memory=0")
    return {
        OLLAMA: partial(_ollama, made / "ollama", gguf),
        LLAMA_SERVER: partial(_llama_server, gguf),
        FALLBACK: partial(_bridge, *known, "--set", "engine.interface=server"),
        BY_API: partial(_bridge, *known, "--set", "engine.interface=api"),
    }


@contextmanager
def _ollama(models: Path, gguf: Path) -> Iterator[Ask]:
    with ollama_server(models) as running:
        ollama_create(running, MODEL, gguf, {"num_ctx": CONTEXT})
        yield partial(_asked, f"{running.url}/api/embed")


@contextmanager
def _llama_server(gguf: Path) -> Iterator[Ask]:
    threads = str(psutil.cpu_count(logical=False) or 1)
    with llama_server(gguf, ctx=CONTEXT, batch=CONTEXT, args=("--threads", threads)) as running:
        yield partial(_asked, f"{running.url}/v1/embeddings")


@contextmanager
def _bridge(*arguments: str) -> Iterator[Ask]:
    with bridge(*arguments) as running:
        yield partial(_asked, f"{running.url}/api/embed", roles=True)


def _asked(url: str, text: str, instruction: str | None, *, roles: bool = False) -> float:
    """The bytes are the same for each of them; the bridge is told as well which are questions."""
    whole = text if instruction is None else f"Instruct: {instruction}\nQuery:{text}"
    body: dict[str, object] = {"model": MODEL, "input": [whole]}
    if roles and instruction == _TASK:
        body["input_type"] = "query"
    began = time.perf_counter()
    answer = requests.post(url, json=body, timeout=3_600)
    took = time.perf_counter() - began
    assert answer.status_code == 200, answer.text  # noqa: S101 -- else nothing is measured
    return took


def _entry(shape: str) -> dict[str, object]:
    """The fixture's entry for another shape: golden texts and their tokens, and no scores, which nobody knows."""
    entry = random_fixture.entry()
    golden = cast("dict[str, object]", entry["reference"])
    [file] = cast("list[dict[str, object]]", entry["files"])
    return {
        **entry,
        "dimensions": real_shape.SHAPES[shape].hidden,
        "context": {"trained": 32_768, "recommended": CONTEXT},
        "default_quantisation": "Q8_0",
        "files": [{**file, "quantisation": "Q8_0"}],
        "reference": {name: golden[name] for name in ("texts", "tokens")},
    }


class _Words:
    """Texts that nobody has asked for: neither cache nor prefix has them."""

    def __init__(self) -> None:
        self._random = random.Random(time.time_ns())  # noqa: S311 -- no secret

    def of(self, count: int) -> str:
        return " ".join(self._random.choice(_WORDS) for _ in range(count))
