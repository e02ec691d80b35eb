"""A fuzz that cannot fail is worth nothing: what is wrong with a bridge is found, and a right one is left in peace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fuzz import files, frames, mutate, routes, wire
from benchmarks.fuzz.__main__ import main
from benchmarks.fuzz.case import Answer, Came, Sent, Try, chance
from benchmarks.fuzz.files import Reader
from benchmarks.fuzz.ledger import Ledger
from benchmarks.fuzz.oracle import judge
from benchmarks.fuzz.run import Fuzz, Target
from benchmarks.fuzz.truth import Truth, texts_of
from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import bridge
from tests.upstreams import wrong_bridge as wrongs
from tests.upstreams.wrong_bridge import Wrong, wrong_bridge

TEXT = "the holidays"
HEADERS = {"Host": "127.0.0.1:1"}


@pytest.fixture(scope="module")
def truth(demo: DemoFiles) -> Truth:
    return Truth.of(demo.hf)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A bridge of its own: among what is tried is what a bridge then remembers, such as the index that it expects."""
    with bridge("--demo", "--set", "engine.threads=1") as started:
        yield started.url


def _answered(truth: Truth, change: Callable[[Any], Any] = lambda rows: rows, **fields: object) -> str | None:
    """The verdict on an answer to one text whose vector is right but for `change`."""
    body = json.dumps({"model": "demo", "input": [TEXT], **fields}).encode()
    rows = change(np.array([truth.vector(TEXT)]))
    answer = Answer(200, {}, json.dumps({"embeddings": rows.tolist()}).encode())
    sent = Sent("POST", "/api/embed", HEADERS, body, whole=True)
    return judge(Try((), (sent,), whole=True), Came((answer,)), truth)


def _judged(truth: Truth, *answers: Answer, **came: Any) -> str | None:
    sent = Sent("POST", "/api/embed", HEADERS, b"{}", whole=True)
    return judge(Try((), (sent,), whole=True), Came(answers, **came), truth)


def test_the_right_vector_is_right_in_each_form_that_was_asked_for(truth: Truth) -> None:
    """NumPy makes it; a role that nobody understands may have made any of the forms."""
    as_query = np.array([truth.vector(truth.prefixes["query"] + TEXT)])

    assert _answered(truth) is None
    assert _answered(truth, lambda _: as_query, input_type="query") is None
    assert _answered(truth, lambda _: as_query, task="anything") is None


@pytest.mark.parametrize(
    ("change", "fields", "problem"),
    [
        (lambda rows: -rows, {}, "cosine -1.0000 with the nearest"),
        (lambda rows: rows[:, ::-1], {}, "cosine"),
        (lambda rows: rows * 1.01, {}, "length 1.01"),
        (lambda rows: rows * np.nan, {}, "length nan"),
        (lambda rows: rows[:, :1024] / np.linalg.norm(rows[:, :1024]), {}, "1024 numbers, not 2560"),
        (lambda rows: rows, {"dimensions": 256}, "2560 numbers, not 256"),
        (lambda rows: np.vstack([rows, rows]), {}, "2 vectors for 1 texts"),
        (lambda rows: rows[:0], {}, "0 vectors for 1 texts"),
        (lambda rows: rows, {"input_type": "query"}, "cosine"),
    ],
)
def test_a_wrong_vector_is_a_finding(
    change: Callable[[Any], Any], fields: dict[str, object], problem: str, truth: Truth
) -> None:
    """Of another text, another role, another size or length, or one too many."""
    assert problem in str(_answered(truth, change, **fields))


def test_names_of_fields_are_read_in_any_case(truth: Truth) -> None:
    """As the bridge reads them."""
    rows = np.array([truth.vector(truth.prefixes["query"] + TEXT)])

    assert truth.wrong("/api/embed", {"Model": "demo", "inpuT": TEXT, "INPUT_TYPE": "query"}, {}, rows) is None
    assert truth.wrong("/api/embed", {"model": "demo", "inpuT": [TEXT, TEXT]}, {}, rows) == "1 vectors for 2 texts"


def test_what_is_no_answer_is_a_finding(truth: Truth) -> None:
    """A 5xx, none at all, too few, a refused connection, a refusal of what is right, a 200 for what is not JSON."""
    bad = Sent("POST", "/api/embed", HEADERS, b"{", whole=False)
    whole = Answer(200, {}, b'{"embeddings": []}')

    no_utf8 = Sent("POST", "/api/embed", HEADERS, b'{"model": "demo", "input": "\xed\xa0\x80"}', whole=False)
    other = Answer(200, {}, json.dumps({"embeddings": [truth.vector("\ufffd" * 3).tolist()]}).encode())

    assert judge(Try((), (no_utf8,)), Came((other,)), truth) is None  # read as it stands, whatever text that is
    assert "500" in str(_judged(truth, Answer(500, {}, b"boom")))
    assert "no answer within the bound" in str(_judged(truth, late=True))
    assert "0 answers to 1" in str(_judged(truth))
    assert "refused" in str(_judged(truth, refused="Connection refused"))
    assert "400 for what is right" in str(_judged(truth, Answer(400, {}, b"")))
    assert "not JSON" in str(judge(Try((), (bad,)), Came((whole,)), truth))


@asynccontextmanager
async def _hanging() -> AsyncIterator[str]:
    """A bridge that takes connections and never says a word."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()
        gone.set()

    gone = asyncio.Event()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await gone.wait()


def _fuzzed(url: str, truth: Truth, folder: Path, kinds: tuple[str, ...], tries: int, bound: float) -> Ledger:
    fuzz = Fuzz(Target(url), truth, Ledger(7, folder), bound=bound)

    async def run() -> None:
        for number in range(tries):
            await asyncio.gather(*(fuzz.wire_once(kind, number) for kind in kinds))

    asyncio.run(run())
    return fuzz.ledger


def test_a_right_bridge_is_left_in_peace(url: str, truth: Truth, tmp_path: Path) -> None:
    """Every kind of try, against the real thing: each answer right, nothing kept."""
    ledger = _fuzzed(url, truth, tmp_path, tuple(frames.KINDS), 4, wire.BOUND)

    assert ledger.findings == []
    assert ledger.statuses[200] > 8
    assert sum(ledger.tries.values()) == 4 * len(frames.KINDS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [(wrongs.other_weights, "cosine"), (wrongs.refuses, "500"), (wrongs.twice_as_long, "length 2")],
)
def test_a_wrong_bridge_is_found(wrong: Wrong, problem: str, url: str, truth: Truth, tmp_path: Path) -> None:
    """Wrong weights behind a route, a 500, a vector of another length; kept with the command that makes it again."""
    with wrong_bridge(url, wrong) as wrong_url:
        ledger = _fuzzed(wrong_url, truth, tmp_path, ("split",), 8, 10)

    assert {problem in finding.problem for finding in ledger.findings} == {True}
    first = ledger.findings[0]
    assert ledger.again("split", first.number) in (tmp_path / f"split-{first.number}.txt").read_text()


def test_a_bridge_that_hangs_is_found(truth: Truth, tmp_path: Path) -> None:
    """No answer within the bound."""
    fuzz = Fuzz(Target(""), truth, Ledger(7, tmp_path), bound=0.2)

    async def run() -> None:
        async with _hanging() as url:
            fuzz.target = Target(url)
            await fuzz.wire_once("split", 0)

    asyncio.run(run())

    assert [finding.problem for finding in fuzz.ledger.findings] == ["no answer within the bound: 0 of 1 came"]


def test_what_a_bridge_leaves_behind_is_found(truth: Truth, tmp_path: Path) -> None:
    """Its end, a traceback in its log, memory and descriptors that have grown."""
    (log := tmp_path / "log").write_text("Traceback (most recent call last):\n  boom\n")
    fuzz = Fuzz(Target("http://127.0.0.1:1", 2**22 + 1, log), truth, Ledger(7, tmp_path))
    fuzz.memory = [(float(second), 80.0 + second / 2, 30 + second) for second in range(0, 100, 2)]

    found = list(fuzz.left_behind(100))

    assert [
        said for said in ("the bridge has ended", "a traceback", "memory grew", "open files grew") if said in str(found)
    ] == ["the bridge has ended", "a traceback", "memory grew", "open files grew"]


def test_a_reader_that_raises_anything_else_is_found(tmp_path: Path) -> None:
    """What it says it raises is right; a traceback is not."""

    def raising(error: Exception) -> Reader:
        def read(*_: object) -> None:
            raise error

        return Reader(b"good", read, (ValueError,))

    assert files.attempt(raising(ValueError("damaged")), b"x", tmp_path / "a") is None
    assert files.attempt(raising(KeyError("x")), b"x", tmp_path / "b") == "KeyError: 'x'"


def test_a_try_can_be_made_again() -> None:
    """Seed, kind and number alone decide its bytes."""
    for kind, make in frames.KINDS.items():
        first, again, other = (make(chance(seed, kind, 5), "127.0.0.1:1") for seed in (1, 1, 2))
        assert first.pieces == again.pieces
        assert first.pieces != other.pieces


def test_nothing_but_this_machine_is_fuzzed() -> None:
    """Another address is refused before a byte is sent."""
    tried = routes.make(chance(1, "route", 1), "example.org")

    with pytest.raises(ValueError, match="not on 127"):
        asyncio.run(wire.exchange("http://example.org:80", tried))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_answers_are_distinguished_on_one_connection(size: int) -> None:
    """Interim ones, chunks, one without a body, and what has not come whole; in pieces of any size."""
    data = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nab"
    )
    came = wire.Incoming(["POST", "HEAD", "GET"])

    for start in range(0, len(data), size):
        came.feed(data[start : start + size])

    assert [(answer.status, answer.body) for answer in came.answers] == [(200, b"abcde"), (200, b"")]
    assert came.rest == b"HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nab"


def test_a_long_answer_is_read_within_the_bound(url: str, truth: Truth) -> None:
    """8,000 texts, most of them again, are 100 MB of numbers: the bridge takes half a second."""
    body = json.dumps({"model": "demo", "input": ["x", "y"] * 4000, "dimensions": 1024}).encode()
    head = f"POST /api/embed HTTP/1.1\r\nHost: {url[7:]}\r\nContent-Type: application/json\r\n"
    sent = Sent("POST", "/api/embed", HEADERS, body, whole=True)
    tried = Try(((head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body,), (sent,), whole=True)

    assert judge(tried, asyncio.run(wire.exchange(url, tried)), truth) is None


@pytest.mark.parametrize(("path", "texts"), [("/api/embed", []), ("/v1/embeddings", [""]), ("/embeddings", [""])])
def test_an_empty_text_is_one_for_openai_alone(path: str, texts: list[str]) -> None:
    """Ollama only loads the model then."""
    assert texts_of(path, {"input": ""}) == texts


def test_changed_json_can_always_be_sent() -> None:
    """Lone surrogates and what JSON does not know included."""
    for number in range(300):
        dice = chance(3, "mutate", number)
        assert isinstance(mutate.encoded(mutate.changed({"input": ["a"], "model": "demo"}, dice), dice), bytes)


@pytest.mark.thorough
def test_a_short_run_ends_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command as `make fuzz` runs it: every kind is tried, nothing is found, exit status 0."""
    assert main(["--minutes", "0.3", "--seed", "5", "--json", "--folder", str(tmp_path)]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["findings"] == []
    assert {*frames.KINDS, "gguf header", "safetensors", "yaml", "secrets", "plan"} <= set(answer["tries"])
