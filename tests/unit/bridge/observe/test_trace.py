"""The bridge's ring of requests, and what the toolkit makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from embedstack.bridge.observe.trace import LONGEST_NAME, LONGEST_TEXT, MOST_TEXTS, Trace
from embedstack.bridge.request import Caller, EmbedRequest, EmbedResult, Found, Meaning, Stages
from embedstack.contract import wire
from embedstack.contract.answers import TraceRecord
from embedstack.deploy import bridge_verbs as command
from embedstack.deploy.bridge_verbs import TraceLine

ASKED = EmbedRequest("demo", ("年假", "abc"), caller=Caller(("key laptop", "user-7")))
MEANING = Meaning("query", "query", "body input_type", 64)
RESULT = EmbedResult(
    vectors=[],
    tokens=9,
    lane="interactive",
    fingerprint="0123456789abcdef",
    found=Found(hit=1, miss=1),
    stages=Stages(0.0001, 0.002, 0.03),
    meaning=MEANING,
    truncated=(1,),
)


def _filled(count: int, records: int, *, text: bool = False) -> Trace:
    trace = Trace(records, text=text)
    for _ in range(count):
        trace.answered(1e9, "ollama", ASKED, RESULT, 0.0004, 1234)
    return trace


def _numbers(records: list[TraceRecord]) -> list[int]:
    return [record.seq for record in records]


def _sent(trace: Trace) -> dict[str, Any]:
    """Its first record, as a client gets it."""
    sent: dict[str, Any] = orjson.loads(orjson.dumps(wire.plain(trace.after(0, 1)[0])))
    return sent


def _line(trace: Trace) -> TraceLine:
    return wire.read(TraceLine, _sent(trace))


def test_a_models_name_is_short_and_text_whatever_a_client_sends() -> None:
    """Else one request could fill the memory, or make the trace unreadable until it is forgotten."""
    trace = Trace(8, text=True)
    odd = replace(ASKED, model="\ud800" + " " * 1_000_000, texts=("\ud800",))
    trace.answered(1e9, "ollama", odd, RESULT, 0.0, 0)
    trace.refused(1e9, "ollama", odd, None, 404, "model_not_found")
    for record in trace.after(0, 10):
        assert len(record.model) == LONGEST_NAME
        assert orjson.dumps(wire.plain(record))


def test_a_record_says_all_but_the_text() -> None:
    """Who, what, how it was understood, where the vectors came from, how long it took."""
    assert list(_sent(_filled(1, 8)).items()) == list(
        {
            "seq": 1,
            "time": 1e9,
            "door": "ollama",
            "client": "laptop",
            "user": "user-7",
            "model": "demo",
            "role": "query",
            "task": "query",
            "source": "body input_type",
            "dimensions": 64,
            "texts": 2,
            "bytes": 9,
            "tokens": 9,
            "hit": 1,
            "joined": 0,
            "miss": 1,
            "queue_ms": 2.0,
            "engine_ms": 30.0,
            "encode_ms": 0.4,
            "answer_bytes": 1234,
            "truncated": 1,
            "corrected": 0,
            "status": 200,
            "code": "",
        }.items()
    )


def test_only_the_last_are_kept() -> None:
    """Numbers go on; one asks for what is newer than a number, the oldest first, and so many at most."""
    trace = _filled(25, 10)

    assert _numbers(trace.after(0, 100)) == list(range(16, 26))
    assert _numbers(trace.after(20, 100)) == list(range(21, 26))
    assert _numbers(trace.after(20, 2)) == [21, 22]
    assert trace.after(25, 100) == []
    assert _numbers(trace.after(26, 100)) == list(range(16, 26)), "a number of the bridge before this one"
    assert trace.last == 25


def test_texts_are_kept_on_demand_and_only_their_beginning() -> None:
    """So many characters of so many texts; a lone surrogate does not keep the trace from being written as JSON."""
    long = replace(ASKED, texts=("\ud800" + "x" * 10_000,) * 100, model="m" * 10_000)
    trace = Trace(4, text=True)
    trace.refused(1e9, "openai", long, None, 404, "model_not_found")

    [record] = trace.after(0, 1)
    assert record.input is not None
    assert [len(text) for text in record.input] == [LONGEST_TEXT] * MOST_TEXTS
    assert "".join(record.input).encode()
    assert len(record.model) == LONGEST_NAME
    assert "input" not in _sent(_filled(1, 4))
    assert _sent(_filled(1, 4, text=True))["input"] == ["年假", "abc"]


def test_what_could_not_be_read_is_reported_too() -> None:
    """A body that is not JSON has no model and no texts, and its code."""
    trace = Trace(4, text=True)
    trace.refused(1e9, "openai", None, None, 400, "invalid_json")

    [record] = trace.after(0, 1)
    assert (record.status, record.code, record.texts, record.role) == (400, "invalid_json", 0, "")


def test_the_toolkit_reads_what_the_bridge_writes() -> None:
    """Field by field; what a newer bridge adds does no harm, and a text is there only where it was kept."""
    sent = _sent(_filled(1, 4, text=True))
    record = wire.read(TraceLine, {**sent, "new": 1})

    assert wire.plain(record) == {**sent, "input": ("年假", "abc")}
    assert _line(_filled(1, 4)).input is None
    del sent["corrected"]  # as an older one writes it
    assert wire.read(TraceLine, sent).corrected == 0


def test_a_line_obeys_nothing_that_a_client_has_sent() -> None:
    """Names are cut to their column, and the codes of a terminal are not codes any more."""
    record = _line(_filled(1, 4))
    line = str(replace(record, model="\x1b[31mred\n" * 9, user="u" * 99, code="queue_full", status=503).__rich__())

    assert line.isprintable()
    assert line.index("query") == str(command.head()).index("role")
    assert line.endswith("503 queue_full 1 cut")
    assert str(replace(record, corrected=2).__rich__()).endswith("1 cut 2 corrected")


def test_following_goes_on_where_it_was() -> None:
    """First the last so many, then what is new, each once; after a new start the count from 1."""
    record = _line(_filled(1, 4))
    bridge: Iterator[tuple[int, list[int]]] = iter([(0, [1, 2, 3]), (3, []), (3, [4, 5]), (5, [1])])

    def ask(after: int) -> list[TraceRecord]:
        expected, numbers = next(bridge)
        assert expected == after
        return [replace(record, seq=number) for number in numbers]

    followed = command.records(ask, 2, pause=lambda _: None)
    assert [next(followed).seq for _ in range(5)] == [2, 3, 4, 5, 1]


@pytest.mark.parametrize(("last", "reported"), [(0, 0), (2, 2), (99, 5)])
def test_as_many_as_are_wanted_begin(last: int, reported: int) -> None:
    """None, some, or all that there are."""
    record = _line(_filled(1, 4))

    paused: list[float] = []

    def ask(_: int) -> list[TraceRecord]:
        return [replace(record, seq=99)] if paused else [record] * 5

    followed = command.records(ask, last, pause=paused.append)
    assert [next(followed).seq for _ in range(reported)] == [1] * reported
    assert not paused
    assert next(followed).seq == 99
