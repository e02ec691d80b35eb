"""Engines that answer wrongly, late or not at all: a bounded retry or a clear error, and never a wrong vector.

Each test says which calls the engine gets: `sizes` has the number of texts of each; 0 is Ollama asked to unload.
"""

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pytest

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import bridge
from tests.engines.process import free_port
from tests.upstreams import faults
from tests.upstreams.apis import OllamaApi, OpenAIApi
from tests.upstreams.crowd import Crowd
from tests.upstreams.faults import Crash
from tests.upstreams.front import SETTINGS, TEN, TEXTS, Front, assert_error, fronted
from tests.upstreams.llama import llama_child
from tests.upstreams.load import wait_until
from tests.upstreams.scripted import Fault, good, scripted

WITHIN = 20.0  # seconds; the longest that a condition is waited for


@pytest.fixture(scope="module")
def real(demo: DemoFiles) -> Iterator[str]:
    """The real engine whose vectors the scripted upstreams serve."""
    with llama_child(demo.gguf, model="demo") as url:
        yield url


@pytest.fixture(scope="module")
def ollama(real: str) -> Iterator[Front]:
    with fronted(real, OllamaApi()) as front:
        yield front


@pytest.fixture(scope="module")
def openai(real: str) -> Iterator[Front]:
    with fronted(real, OpenAIApi()) as front:
        yield front


@pytest.fixture(params=["ollama", "openai"])
def front(request: pytest.FixtureRequest) -> Front:
    """Each adapter in turn."""
    chosen: Front = request.getfixturevalue(request.param)
    return chosen


def named(*names: str) -> list[object]:
    return [pytest.param(getattr(faults, name), id=name) for name in names]


BROKEN_VECTORS = named(
    "nulls", "one_null", "nan", "zero", "infinite", "too_big_for_float32", "half_zero", "huge", "tiny"
)
BROKEN_OFF = named(
    "runner_eof", "reset_before_head", "closed_before_head", "reset_mid_body", "closed_mid_body"
)  # fmt: skip
NO_ANSWER = named(
    "too_few", "too_many", "none_at_all", "one_number_short", "other_model", "uneven", "nested", "row_is_null",
    "strings", "one_string", "booleans", "empty_body", "not_json", "json_list", "json_nothing", "html_page",
    "nan_literal",
)  # fmt: skip
BAD_ROWS = named(
    "index_missing", "index_beyond", "index_is_text", "base64_cut", "base64_of_odd_length", "no_usage",
)  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN_VECTORS)
def test_broken_vectors_are_asked_for_once_more(front: Front, fault: Fault) -> None:
    """Null, NaN, infinity, zero or a wrong length, once: the engine is reset where it can be, and asked again."""
    front.upstream.play(fault)
    front.assert_right(front.ask())
    assert front.upstream.sizes == [3, *front.resets, 3]


@pytest.mark.parametrize("fault", BROKEN_VECTORS)
def test_vectors_that_stay_broken_are_a_502(front: Front, fault: Fault) -> None:
    """An engine that makes them again after its reset is asked for each text alone, once, and reset no more."""
    front.upstream.play(then=fault)
    message = assert_error(front.ask(), 502, "engine_vectors_broken")
    assert "input 0" in message
    assert front.upstream.sizes == [3, *front.resets, 3, 1, 1, 1]
    front.assert_serves()


@pytest.mark.parametrize("fault", named("nan_refused", "nan_not_written"))
def test_ollama_that_refuses_its_own_nan_is_reset_too(ollama: Front, fault: Fault) -> None:
    """Ollama's 400 about NaN, or an older one's 500, is the engine's fault, not the client's: the model is unloaded
    before the retry."""
    ollama.upstream.play(fault)
    ollama.assert_right(ollama.ask(keep_alive="5m"))
    assert [
        {"model": "demo", "input": list(TEXTS), "truncate": False, "keep_alive": "5m"},
        {"model": "demo", "keep_alive": 0},
        {"model": "demo", "input": list(TEXTS), "truncate": False, "keep_alive": "5m"},
    ] == ollama.upstream.received
    ollama.upstream.play(then=fault)
    assert_error(ollama.ask(), 502, "engine_vectors_broken")
    assert ollama.upstream.sizes == [3, 0, 3, 1, 1, 1]
    ollama.assert_serves()


def test_broken_vectors_name_the_text_as_the_client_counts(front: Front) -> None:
    """The index is that in the request, though the text was the first of the engine's second call."""
    front.upstream.play(good, then=faults.zero)
    message = assert_error(front.ask(TEN), 502, "engine_vectors_broken")
    assert "input 4" in message
    assert front.upstream.sizes == [4, 4, *front.resets, 4, 1, 1, 1, 1]


@pytest.mark.parametrize("fault", NO_ANSWER)
def test_what_is_no_answer_is_refused_at_once(front: Front, fault: Fault) -> None:
    """Another count, size, type or no JSON at all: a 502 after one text alone has shown that it comes again."""
    front.upstream.play(then=fault)
    assert_error(front.ask(), 502, "engine_answer_invalid")
    assert front.upstream.sizes == [3, 1]
    front.assert_serves()


def test_a_cut_that_would_leave_nothing_is_refused(front: Front) -> None:
    """A vector of length 1 whose first 32 numbers are all zero has no direction in 32 dimensions."""
    front.upstream.play(then=faults.empty_beginning)
    assert_error(front.ask(dimensions=32), 502, "engine_answer_invalid")
    assert front.upstream.sizes == [3]


@pytest.mark.parametrize("fault", BAD_ROWS)
def test_openai_rows_that_cannot_be_distinguished_are_refused(openai: Front, fault: Fault) -> None:
    """An index missing or out of range, or base64 of no whole numbers: nothing of it is handed out."""
    openai.upstream.play(then=fault)
    assert_error(openai.ask(), 502, "engine_answer_invalid")
    assert openai.upstream.sizes == [3, 1]
    openai.assert_serves()


def test_rows_with_one_index_twice_are_asked_for_alone(openai: Front) -> None:
    """Nobody can tell which is whose; a text alone has but one index."""
    openai.upstream.play(then=faults.index_twice)
    openai.assert_right(openai.ask())
    assert openai.upstream.sizes == [3, 1, 1, 1]


def test_openai_rows_in_another_order_are_put_right(openai: Front) -> None:
    """`index` says which text a row belongs to, wherever it stands."""
    openai.upstream.play(then=faults.by_index_shuffled)
    openai.assert_right(openai.ask())
    openai.assert_right(openai.ask(TEN), TEN)
    assert openai.upstream.sizes == [3, 4, 4, 2]


@pytest.mark.parametrize("fault", BROKEN_OFF)
def test_a_call_broken_off_is_sent_again_text_by_text(front: Front, fault: Fault) -> None:
    """Nobody knows yet which text did it, so each goes alone, once the engine has been checked."""
    front.upstream.play(fault)
    front.assert_right(front.ask())
    assert front.upstream.sizes == [3, 1, 1, 1]


@pytest.mark.thorough
@pytest.mark.parametrize("fault", BROKEN_OFF)
def test_an_engine_that_breaks_off_every_call_blames_no_text(front: Front, fault: Fault) -> None:
    """A text is at fault only where harmless ones go through: here a 503 after engine.patience. Afterwards the same
    texts pass, each alone, since one of them may have done it."""
    front.upstream.play(then=fault, check=fault)
    assert_error(front.ask(), 503, "engine_not_ready")
    assert front.upstream.sizes == [3]
    front.assert_serves(sizes=[1, 1, 1])
    front.assert_serves()


def test_a_busy_engine_is_asked_again(front: Front) -> None:
    """503, then good."""
    front.upstream.play(faults.busy)
    front.assert_right(front.ask())
    assert front.upstream.sizes == [3, 3]


def test_an_openai_engine_may_say_busy_with_429(openai: Front) -> None:
    """As text-embeddings-inference and metering proxies do."""
    openai.upstream.play(faults.too_many_requests)
    openai.assert_right(openai.ask())
    assert openai.upstream.sizes == [3, 3]


def test_an_engine_that_stays_busy_is_a_503_with_a_time(front: Front) -> None:
    """Three tries in all, then the client is informed when to come back."""
    front.upstream.play(then=faults.busy)
    response = front.ask()
    assert_error(response, 503, "engine_busy")
    assert int(response.headers["Retry-After"]) >= 1
    assert front.upstream.sizes == [3, 3, 3]


def test_an_engine_that_hangs_is_a_504(front: Front) -> None:
    """engine.timeout ends the wait; asking again would double it."""
    front.upstream.play(then=faults.hang)
    assert_error(front.ask(), 504, "engine_timeout")
    assert front.upstream.sizes == [3]
    front.assert_serves()


def test_a_proxy_that_gave_up_waiting_is_a_504(front: Front) -> None:
    """Its 504 is a time-out like our own: sent again, the same texts would take as long again."""
    front.upstream.play(then=faults.gateway_timeout)
    assert_error(front.ask(), 504, "engine_timeout")
    assert front.upstream.sizes == [3]
    front.assert_serves()


@pytest.mark.thorough
def test_an_engine_that_trickles_is_a_504(openai: Front) -> None:
    """engine.timeout bounds the whole answer, not the silence between two of its bytes."""
    openai.upstream.play(then=faults.trickle)
    assert_error(openai.ask(), 504, "engine_timeout")
    assert openai.upstream.sizes == [3]
    openai.assert_serves()


@pytest.mark.thorough
@pytest.mark.parametrize("fault", named("load_killed", "health_reset", "runner_gone"))
def test_ollama_runner_that_does_not_start_blames_no_text(ollama: Front, fault: Fault) -> None:
    """No text was at it, so the call is repeated whole, as while an engine is away; then a 503, and nothing is kept."""
    ollama.upstream.play(fault)
    ollama.assert_right(ollama.ask())
    assert ollama.upstream.sizes == [3, 3]
    ollama.upstream.play(then=fault, check=fault)
    assert_error(ollama.ask(), 503, "engine_not_ready")
    assert ollama.upstream.sizes == [3, 3, 3]
    ollama.assert_serves()


def test_a_model_unloaded_and_deleted_is_a_503_that_names_it(front: Front) -> None:
    """A 404 from the engine is no 404 of the bridge's: the client's model name was right."""
    front.upstream.play(then=faults.gone)
    assert "demo" in assert_error(front.ask(), 503, "engine_not_ready")
    assert front.upstream.sizes == [3]
    front.assert_serves()


def test_a_page_of_html_from_a_proxy_is_not_passed_on_whole(front: Front) -> None:
    """A 502 page of a proxy before the engine is quoted in part, in the door's own JSON."""
    front.upstream.play(then=faults.html_error, check=faults.html_error)
    response = front.ask(["the text of a page"])
    assert response.status_code in (502, 503)
    assert response.headers["X-Embed-Error"] in ("engine_refused", "engine_not_ready")
    assert "Bad Gateway" in response.json()["error"]
    assert len(response.text) < 1000
    assert len(front.upstream.received) <= 4
    front.assert_serves()


def test_a_status_that_nobody_expects_is_a_502(front: Front) -> None:
    """The bridge holds its request to be right; one text alone shows that it is not about this text."""
    front.upstream.play(then=faults.teapot)
    assert "short and stout" in assert_error(front.ask(), 502, "engine_refused")
    assert front.upstream.sizes == [3, 1]


def test_openai_door_tells_the_same_in_its_own_shape(front: Front) -> None:
    """`error` is an object with message, type and code."""
    front.upstream.play(then=faults.too_few)
    response = front.bridge.post("/v1/embeddings", {"model": "demo", "input": list(TEXTS)})
    assert response.status_code == 502
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("api_error", "engine_answer_invalid")
    assert "2 vectors for 3 texts" in error["message"]


@pytest.mark.parametrize("fault", named("goes_away_after", "drops_reused"))
def test_a_connection_closed_between_requests_is_opened_again(front: Front, fault: Fault) -> None:
    """An idle connection that the engine closes, even in the moment of the next request, costs a retry at most."""
    for _ in range(3):
        front.upstream.play(then=fault)
        front.assert_right(front.ask(TEXTS[:1]), TEXTS[:1])
        assert len(front.upstream.received) <= 2


def test_an_engine_behind_a_proxy_that_compresses_is_understood(front: Front) -> None:
    """The bridge asks for no compression, or undoes it."""
    front.upstream.play(then=faults.compressed)
    front.assert_right(front.ask())
    assert front.upstream.sizes == [3]


@pytest.mark.parametrize("way", ["runner_eof", "reset_before_head", "closed_mid_body"])
def test_a_text_that_kills_every_time_is_named_and_kept_back(front: Front, way: str) -> None:
    """Each text of the call goes alone then; killing twice so, at an engine that has been checked, it is a 502 that
    names its index in the request, and for ten minutes nothing of a request that holds it is sent.
    """
    killer, death = f"a text that kills by {way}", getattr(faults, way)
    texts = (*TEN[:6], killer, *TEN[7:])
    front.upstream.play(texts={killer: death})

    message = assert_error(front.ask(texts), 502, "text_kills_engine")
    assert "input 6:" in message
    assert front.upstream.sizes == [4, 4, 1, 1, 1, 1, 1]
    assert [call["input"] for call in front.upstream.received].count([killer]) == 2

    front.upstream.play(texts={killer: death})
    message = assert_error(front.ask([*TEN, killer]), 502, "text_kills_engine")
    assert "input 10:" in message
    assert front.upstream.received == []

    response = front.bridge.post("/v1/embeddings", {"model": "demo", "input": killer})
    assert (response.status_code, response.json()["error"]["code"]) == (502, "text_kills_engine")
    assert front.upstream.received == []

    rest = [text for text in texts if text != killer]
    front.assert_right(front.ask(rest), rest)
    assert killer not in message
    assert killer not in front.bridge.log.read_text()


def test_a_text_that_is_always_nan_is_named_and_kept_back(front: Front) -> None:
    """The engine is reset for it once, where it can be, and later requests that hold it are refused unsent; the others
    of its call are served."""
    text = "a text whose vector is never finite"
    front.upstream.play(texts={text: faults.nan})
    for _ in range(5):
        assert "input 1" in assert_error(front.ask([TEXTS[0], text, TEXTS[1]]), 502, "engine_vectors_broken")
    assert front.upstream.sizes == [3, *front.resets, 3, 1, 1, 1]
    for _ in range(5):
        assert_error(front.ask([text]), 502, "engine_vectors_broken")
    assert front.upstream.sizes == [3, *front.resets, 3, 1, 1, 1]
    front.assert_serves()


def test_an_answer_without_end_or_sense_kills_nothing(front: Front) -> None:
    """A head that never ends: the engine lives, so no text has ended it, however often it does so."""
    text = "a text that is answered with a head without end"
    front.upstream.play(texts={text: faults.endless_head})
    for _ in range(3):
        message = assert_error(front.ask([text]), 502, "engine_answer_invalid")
        assert "more than" in message
    front.upstream.play()
    front.assert_right(front.ask([text]), [text])
    front.assert_serves()


def test_large_bad_answers_leave_nothing_behind(front: Front) -> None:
    """What is larger than the vectors asked for can be is not read to its end, and memory does not grow with it."""
    bridge = psutil.Process(front.bridge.pid)
    before = bridge.memory_info().rss
    for _ in range(3):
        front.upstream.play(then=faults.far_too_large)
        assert "more than" in assert_error(front.ask(TEXTS[:1]), 502, "engine_answer_invalid")
        wait_until(lambda: front.bridge.ready()["ready"], within=WITHIN, what="the engine is back")
    assert bridge.memory_info().rss - before < 50e6
    front.assert_serves()


def test_patience_is_for_a_request_and_not_for_an_outage(real: str) -> None:
    """An engine that comes back again and again, and is ended each time at work: each of sixty clients is answered once
    its own patience has been lost, and no text is blamed for it."""
    texts = [f"one of sixty {n}" for n in range(60)]
    with fronted(real, OpenAIApi(), "--set", "engine.patience=1", "--set", "engine.batch=1") as front:
        front.upstream.play(then=faults.ends_after_a_while)
        began = time.monotonic()
        replies = asyncio.run(Crowd(front.bridge.url).ask_all(texts))
        took = time.monotonic() - began
        assert {reply.status for reply in replies} == {503}
        assert {reply.headers["x-embed-error"] for reply in replies} <= {"engine_not_ready", "engine_died"}
        assert any(b"comes and goes" in reply.body for reply in replies)
        assert took < 10  # one after another, at three calls each: 18 s and more
        front.upstream.play()
        wait_until(lambda: front.bridge.ready()["ready"], within=WITHIN, what="the engine is back")
        front.assert_right(front.ask(texts[:3]), texts[:3])


def test_a_text_that_kills_once_is_embedded(front: Front) -> None:
    """Nothing is held against it: it may not have been the text at all."""
    front.upstream.play(faults.runner_eof)
    front.assert_right(front.ask(TEXTS[:1]), TEXTS[:1])
    assert front.upstream.sizes == [1, 1]
    front.assert_serves()


def test_quarantine_ends(real: str) -> None:
    """After engine.quarantine the text is sent again, and served if the engine has been mended since."""
    killer = ["a text that kills until it is mended"]
    with fronted(real, OllamaApi(), "--set", "engine.quarantine=4") as front:
        front.upstream.play(texts={killer[0]: faults.runner_eof})
        assert_error(front.ask(killer), 502, "text_kills_engine")
        front.upstream.play()
        assert_error(front.ask(killer), 502, "text_kills_engine")
        assert front.upstream.received == []
        until = time.monotonic() + WITHIN
        while (response := front.ask(killer)).status_code != 200 and time.monotonic() < until:
            assert front.upstream.received == []
        front.assert_right(response, killer)
        assert front.upstream.sizes == [1]


@pytest.mark.thorough
def test_a_text_that_only_stood_by_is_not_blamed(real: str) -> None:
    """With several calls in flight an engine that dies takes them all along; only the text that kills it alone, twice,
    is named, and the other's client gets its vectors.
    """
    killer, bystander = ["the one that kills"], ["the one that stands by"]
    with fronted(real, OpenAIApi(), "--set", "engine.concurrency=2") as front, ThreadPoolExecutor(2) as clients:
        crash = Crash()
        front.upstream.play(texts={killer[0]: crash.kills, bystander[0]: crash.bystander})
        asked = [clients.submit(front.ask, texts) for texts in (killer, bystander)]
        assert_error(asked[0].result(), 502, "text_kills_engine")
        front.assert_right(asked[1].result(), bystander)
        assert len(front.upstream.received) <= 6


def test_an_engine_that_goes_away_and_comes_back(real: str) -> None:
    """Nothing listens any more: a 503 with a time; and served again as soon as it is back, by the same bridge."""
    port = free_port()
    with ExitStack() as life:
        with scripted(real, OllamaApi(), port=port) as (url, upstream):
            front = Front(life.enter_context(bridge("--upstream", url, *SETTINGS)), upstream)
        response = front.ask()
        assert_error(response, 503, "engine_not_ready")
        assert int(response.headers["Retry-After"]) >= 1
        _, upstream = life.enter_context(scripted(real, OllamaApi(), port=port))
        Front(front.bridge, upstream).assert_serves()


def test_an_engine_that_accepts_no_connection_is_said_to_be_away() -> None:
    """Its machine is there but its backlog is full: engine.connect_timeout ends the wait, and /readyz says so."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, socket.create_connection(deaf.getsockname()):
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        settings = ("model.id=demo", "engine.kind=openai", f"engine.url={url}", "engine.connect_timeout=0.2")
        with bridge(*(f"--set={setting}" for setting in settings), wait_ready=False) as running:
            assert "no connection within 0.2 s" in running.wait_state()["backends"][0]["reason"]
            response = running.post("/api/embed", {"model": "demo", "input": "x"})
            assert "no connection within 0.2 s" in assert_error(response, 503, "engine_not_ready")
