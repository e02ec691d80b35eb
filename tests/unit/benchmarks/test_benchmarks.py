"""The benchmarks measure what they say: run for real but briefly, with the bridge alone, and no time is asserted."""

import base64
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from benchmarks import __main__ as command
from benchmarks import profile, side_by_side
from benchmarks.client import AnswerError, whole_length
from benchmarks.figures import percentile
from benchmarks.measures import QUICK
from benchmarks.missing import MissingError
from benchmarks.outcome import Outcome
from benchmarks.shapes import OLLAMA, OPENAI, OPENAI_BASE64, OPENAI_FLOAT, TEXT, Shape
from benchmarks.soak import Ledger, verdict
from benchmarks.subjects import Subject
from benchmarks.upstream import Known, Script
from tests.engines.process import free_port

KNOWN = (Known("one", 2, [1.0, 0.0]), Known(TEXT, 5, [0.6, -0.8]))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    file = tmp_path_factory.mktemp("bench") / "figures" / "quick.json"
    assert command.main(["memory", "latency", "throughput", "--quick", "--json", str(file)]) == 0
    found: Mapping[str, Any] = orjson.loads(file.read_bytes())
    return found


@pytest.mark.thorough
def test_one_run_measures_the_bridge_on_both_doors_beside_the_upstream_itself(report: Mapping[str, Any]) -> None:
    """Every benchmark has a row for each shape, and each row rests on answers."""
    measured = {(row["benchmark"], row["subject"], row["shape"]) for row in report["rows"]}
    openai = [shape.name for shape in OPENAI]
    bridges = {(name, shape) for name in ("bridge", "bridge, cache hit") for shape in openai}
    bridges |= {("bridge before Ollama", OLLAMA.name), *(("direct", shape) for shape in (*openai, OLLAMA.name))}

    assert report["failed"] == []
    assert {("latency", *case) for case in bridges} <= measured
    for clients in QUICK.clients:
        assert {("throughput", name, f"{shape}, {clients} clients") for name, shape in bridges} <= measured
    assert {("memory", "bridge", OPENAI_FLOAT.name), ("memory", "bridge before Ollama", OLLAMA.name)} <= measured
    assert all(row["requests"] > 0 for row in report["rows"])


@pytest.mark.thorough
def test_figures_come_with_the_machine_and_the_aims(report: Mapping[str, Any]) -> None:
    """Anyone who reads the JSON alone knows what it was measured on, with what, and what was hoped for."""
    assert report["machine"]["cores"] >= 1
    assert report["versions"]["bridge"]
    aims = {one["figure"]: (one["at_most"], one["at_least"]) for one in report["outcomes"]}
    assert aims["requests/s, OpenAI base64, 16 clients"] == (None, 4000)
    assert aims["added at p50, OpenAI base64, ms"] == (0.6, None)


@pytest.mark.thorough
def test_several_engines_and_growth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of four engines' texts is lost when one is killed; memory and disk have their figures, whatever they are."""
    monkeypatch.setattr("embedstack.bridge.cache.tier.PATIENCE", 60.0)  # a disk that stands still is not a loss
    file = tmp_path / "figures.json"
    assert command.main(["engines", "growth", "--quick", "--json", str(file)]) == 0
    figures = {one["figure"]: one["bridge"] for one in orjson.loads(file.read_bytes())["outcomes"]}

    assert figures["one of four killed halfway: requests lost"] == 0
    assert all(figures[f"{count} of them: texts/s over {count} times one"] > 0 for count in (2, 4))
    assert figures["hit p50, ms"] > 0


@pytest.mark.thorough
def test_the_parts_of_a_request_make_up_its_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real bridge under the profiler: every part has a share, and reading and writing vectors is not the least."""
    monkeypatch.setattr(profile, "REQUESTS", 500)
    assert profile.main() == 0
    shown = capsys.readouterr().out
    assert {part for part in profile.PARTS.values() if part in shown} == set(profile.PARTS.values())


@pytest.mark.needs("ollama")
def test_the_flood_and_the_second_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a real Ollama: none fails, nothing is computed twice, and the picture has both sides."""
    monkeypatch.delenv("FLOOD", raising=False)  # 300 then, as it is quick
    file, picture = tmp_path / "figures.json", tmp_path / "flood.svg"
    assert command.main(["flood", "reupload", "--quick", "--json", str(file), "--plot", str(picture)]) == 0
    figures = {one["figure"]: one["bridge"] for one in orjson.loads(file.read_bytes())["outcomes"]}

    assert figures["requests that failed"] == 0
    assert figures["texts that reached the engine"] == figures["second embedding of a file: engine texts"] == 0
    assert figures["64 clients with 100 texts: engine texts"] == 100
    assert "asked directly" in picture.read_text()


@pytest.mark.thorough
def test_memory_is_that_of_the_process_and_its_figures_are_plausible(report: Mapping[str, Any]) -> None:
    """A Python process with NumPy in it: neither nothing nor gigabytes."""
    rows = [row for row in report["rows"] if row["benchmark"] == "memory"]

    assert all(10 < row["figures"]["RSS, MB"]["median"] < 1000 for row in rows)


@pytest.mark.thorough
def test_direct_adds_nothing_to_itself(report: Mapping[str, Any]) -> None:
    """Added latency is the difference to the same shape asked directly in the same round."""
    added = [row["figures"]["added p50, ms"] for row in _rows(report, "latency", "direct")]

    assert added[0] == {"median": 0, "low": 0, "high": 0}
    assert all(spread["median"] == 0 for spread in added)


def test_what_cannot_be_measured_is_named_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is measured all the same."""
    monkeypatch.setattr(side_by_side, "upstream", _no_upstream)
    monkeypatch.setattr(side_by_side, "starts", lambda *_: {"bridge": _missing})

    assert command.main(["memory", "--quick"]) == 1
    assert "not measured: bridge: it is not installed: do this" in capsys.readouterr().out


def test_who_fails_in_the_middle_is_taken_out_and_named() -> None:
    """Nobody listens on its port; the others would be measured without it."""
    gone = Subject("gone", "1.0", free_port(), os.getpid(), (OLLAMA,))
    subjects, failed = [gone], list[str]()

    assert side_by_side._measured("throughput", subjects, QUICK, failed, command.PROGRESS) == []
    assert subjects == []
    assert re.match(r"throughput, gone: .*refused", failed[0], re.IGNORECASE)


def test_a_benchmark_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of those that do."""
    with pytest.raises(SystemExit) as ended:
        command.main(["speed"])

    assert ended.value.code == 2
    assert "no benchmark speed; there are memory, latency, throughput, flood" in capsys.readouterr().err


@pytest.mark.parametrize("shape", [*OPENAI, OLLAMA], ids=lambda shape: shape.name)
def test_the_scripted_upstream_answers_with_the_vector_of_the_real_engine(shape: Shape) -> None:
    """In every shape, and a text that it does not know gets the last one."""
    script = Script(KNOWN)

    assert _vector(script, shape, "one").tolist() == [1, 0]
    assert np.array([0.6, -0.8], np.float32).tolist() == _vector(script, shape, "another").tolist()


def test_the_scripted_upstream_counts_tokens_and_keeps_the_order() -> None:
    """As the start-up gate asks of every engine."""
    answer = orjson.loads(_body(Script(KNOWN).answer(b"/api/embed", orjson.dumps({"input": [TEXT, "one", TEXT]}))))

    assert answer["prompt_eval_count"] == 12
    assert [round(row[0], 6) for row in answer["embeddings"]] == [0.6, 1.0, 0.6]


def test_a_shape_reads_base64_as_little_endian_float32() -> None:
    """What OpenAI's `encoding_format: base64` means."""
    row = base64.b64encode(np.array([0.5, -2], "<f4").tobytes()).decode()

    assert OPENAI_BASE64.vector(orjson.dumps({"data": [{"embedding": row}]})).tolist() == [0.5, -2]


@pytest.mark.parametrize("received", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"])
def test_an_answer_has_no_length_until_its_head_is_whole(received: bytes) -> None:
    """More of it may come with the next packet."""
    assert whole_length(received) is None


def test_the_length_of_an_answer_is_that_of_head_and_body() -> None:
    """Whichever way the header is written."""
    head = b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length:5\r\n\r\n"

    assert len(head) + 5 == whole_length(head + b"12")


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
)
def test_an_answer_that_is_no_whole_200_ends_the_measurement(head: bytes) -> None:
    """An error would otherwise count as a very fast answer."""
    with pytest.raises(AnswerError, match="not a 200"):
        whole_length(head)


def test_aims_are_reached_at_their_bound() -> None:
    """On the right side of it, too; where nothing was aimed at, nothing is reached or missed."""

    def reached(value: float, **bound: float) -> bool | None:
        return Outcome("x", "y", value, **bound).reached

    assert [reached(0.6, at_most=0.6), reached(0.61, at_most=0.6)] == [True, False]
    assert [reached(4000, at_least=4000), reached(3999, at_least=4000), reached(1)] == [True, False, None]
    assert [Outcome("x", "y", 1, at_most=80).aim, Outcome("x", "y", 1, at_least=4000).aim] == ["≤ 80", "≥ 4,000"]


def test_a_soak_that_loses_or_grows_is_reported() -> None:
    """Each by itself; memory is held against what it was once warm."""
    steady = [(0.0, 60.0, 20), (30.0, 80.0, 25), (60.0, 82.0, 26)]

    assert verdict(Ledger(right=9, kills=2, memory=steady), 60) == []
    assert "lost" in verdict(Ledger(wrong=["503"], kills=2, memory=steady), 60)[0]
    assert "memory grew" in verdict(Ledger(kills=2, memory=[*steady, (70.0, 120.0, 26)]), 60)[0]
    assert "files grew" in verdict(Ledger(kills=2, memory=[*steady, (70.0, 82.0, 99)]), 60)[0]
    assert "no engine was killed" in verdict(Ledger(memory=steady), 60)[0]


def test_percentiles_are_values_that_were_measured() -> None:
    """By nearest rank."""
    values = [float(value) for value in range(100, 0, -1)]

    assert [percentile(values, 50), percentile(values, 95), percentile([7.0], 95)] == [51, 96, 7]


def _rows(report: Mapping[str, Any], benchmark: str, subject: str) -> list[Mapping[str, Any]]:
    return [row for row in report["rows"] if (row["benchmark"], row["subject"]) == (benchmark, subject)]


def _vector(script: Script, shape: Shape, text: str) -> Any:
    body = orjson.dumps({"input": [text], **shape.fields})
    return shape.vector(_body(script.answer(shape.path.encode(), body)))


def _body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


@contextmanager
def _no_upstream(_folder: Path, _cores: object) -> Iterator[Subject]:
    yield Subject("direct", "", 0, 0, ())


def _missing() -> Any:
    raise MissingError("it is not installed: do this")
