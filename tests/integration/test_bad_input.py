"""Whatever a client sends, it gets its API's own error, a code and a way on; nothing crashes, nothing is cut unsaid."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import numpy as np
import pytest
import requests
from tokenizers import Tokenizer

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import Bridge
from tests.bridge_process import bridge as start
from tests.integration.bad_requests import BODY_LIMIT, CASES, CONTEXT, LIMIT, TEXT_LIMIT, TEXTS_LIMIT, Case, json_text
from tests.integration.doors import BARE, EMBED, EMBEDDING, EVERY, LEGACY, OPENAI, RENDER, Door, name

each_door = pytest.mark.parametrize("door", EVERY, ids=name)


@pytest.fixture(scope="module")
def small() -> Iterator[Bridge]:
    """A bridge with low limits; at the end it must serve as at the beginning, and its log must hold no traceback."""
    settings = {
        "limits.body_bytes": BODY_LIMIT,
        "limits.text_bytes": TEXT_LIMIT,
        "limits.texts": TEXTS_LIMIT,
        "limits.body_timeout": 4,
        "engine.context": CONTEXT,
        "log.level": "debug",
    }
    with start("--demo", *(part for key, value in settings.items() for part in ("--set", f"{key}={value}"))) as running:
        before = running.embed("公司年假政策有哪些?")
        yield running
        np.testing.assert_array_equal(before, running.embed("公司年假政策有哪些?"))
        assert "Traceback" not in running.log.read_text(errors="replace")


def send(bridge: Bridge, door: Door, body: object, *, headers: Mapping[str, str] | None = None) -> requests.Response:
    """POST bytes as they are, anything else as JSON with its letters escaped."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(bridge.url + door.path, data=data, headers=headers, timeout=60)


# --- refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_request_that_makes_no_sense_is_refused(small: Bridge, case: Case) -> None:
    """In the door's own shape, with the status, the code, what was wrong, and what to do."""
    refused = case.door.refused(send(small, case.door, case.make(case.door), headers=case.headers))

    assert (refused.status, refused.code) == (case.expected.status, case.expected.code)
    assert [said for said in case.expected.said if said not in refused.message] == []
    assert len(refused.message) < 1200


# --- taken --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", EMBEDDING, ids=name)
@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b'"a\\ud800b"', "a\ufffdb"),
        (b'"a\\ude00\\ud83d"', "a\ufffd\ufffd"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"a\xffb"', "a\ufffdb"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"a\\u0000b"', "a\x00b"),
        (b'"e\\u0301"', "é"),
    ],
)
def test_text_that_is_no_unicode_costs_a_letter_and_not_the_request(
    small: Bridge, door: Door, sent: bytes, meant: str
) -> None:
    """Lone surrogates and stray bytes, as bad PDFs have them, become U+FFFD; a NUL is a character like any other."""
    found = door.vectors(send(small, door, json_text(sent)(door)))

    np.testing.assert_allclose(found, door.vectors(send(small, door, door.body(meant))), rtol=0, atol=1e-6)


@pytest.mark.parametrize("door", EMBEDDING, ids=name)
@pytest.mark.parametrize(
    "headers",
    [
        *(
            {"Content-Type": kind}
            for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "")
        ),
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Encoding": "identity"},
        {"Content-Encoding": "IDENTITY"},
        {"Accept": "text/html"},
    ],
    ids=lambda headers: " ".join(next(iter(headers.items()))),
)
def test_the_content_type_does_not_matter(small: Bridge, door: Door, headers: dict[str, str]) -> None:
    """curl -d says it sends a form; like Ollama, the bridge reads the JSON that is there."""
    assert door.vectors(send(small, door, door.body("年假"), headers=headers)).shape == (1, 2560)


@pytest.mark.parametrize("door", EVERY, ids=name)
@pytest.mark.parametrize("path", ["/{}", "//{}", "{}/", "{}//", "//{}//", "{}?x=1"])
def test_slashes_too_many_lead_to_the_same_door(small: Bridge, door: Door, path: str) -> None:
    """A base URL that ends in a slash is the commonest slip in a client's settings."""
    url = path.format(door.path)
    response = requests.post(small.url + url, json=door.body("x"), timeout=60)
    assert response.status_code == 200, response.text[:300]

    if "?" not in url:
        wrong = requests.post(small.url + url.replace("/", "//"), data=b"{", timeout=60)
        assert door.refused(wrong).code == "invalid_json"


@pytest.mark.parametrize("door", EVERY, ids=name)
def test_unknown_fields_are_ignored(small: Bridge, door: Door) -> None:
    """Clients send what other servers know: `user`, `stream`, `format`, `normalize`."""
    body = door.body("x", user="me", stream=False, normalize=True, extra={"a": [1, None]})

    assert send(small, door, body).status_code == 200


@pytest.mark.parametrize("door", EMBEDDING, ids=name)
def test_a_body_in_chunks_is_read(small: Bridge, door: Door) -> None:
    """Without Content-Length, in pieces that cut letters in two."""
    data = json.dumps(door.body("公司年假"), ensure_ascii=False).encode()
    chunked = requests.post(small.url + door.path, data=(data[n : n + 5] for n in range(0, len(data), 5)), timeout=60)

    assert door.vectors(chunked).shape == (1, 2560)


@pytest.mark.parametrize("door", EMBEDDING, ids=name)
@pytest.mark.parametrize("offer", ["h2c", "websocket", "TLS/1.0"])
def test_an_offer_to_change_the_protocol_is_declined(small: Bridge, door: Door, offer: str) -> None:
    """Java's HttpClient offers HTTP/2 with its first request; its body counts all the same."""
    body = json.dumps(door.body("年假")).encode()
    lines = ("Connection: Upgrade, HTTP2-Settings", f"upgrade: {offer}", f"Content-Length: {len(body)}")
    with connect(small) as connection:
        for _ in range(2):
            connection.sendall(head(door, *lines) + body)

            assert door.vectors(answer_on(connection)).shape == (1, 2560)


@each_door
def test_a_body_in_chunks_is_bounded_too(small: Bridge, door: Door) -> None:
    """Who does not announce a length is counted."""
    pieces = (b" " * 65536 for _ in range(BODY_LIMIT // 65536 + 1))
    refused = door.refused(requests.post(small.url + door.path, data=pieces, timeout=60))

    assert (refused.status, refused.code) == (413, "body_too_large")


# --- nothing to embed, and empty texts ------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, "", []], ids=repr)
def test_ollamas_door_answers_nothing_with_nothing(small: Bridge, nothing: object) -> None:
    """It is how clients ask Ollama to load a model."""
    response = send(small, EMBED, EMBED.body(nothing))

    assert (response.status_code, response.json()["embeddings"]) == (200, [])


@pytest.mark.parametrize("nothing", [None, ""], ids=repr)
def test_the_legacy_door_answers_nothing_with_nothing(small: Bridge, nothing: object) -> None:
    """As Ollama does; `input` instead of `prompt` is nothing, too."""
    for body in (LEGACY.body(nothing), EMBED.body("x")):
        response = send(small, LEGACY, body)

        assert (response.status_code, response.json()) == (200, {"embedding": []})


def test_an_empty_text_is_a_text(small: Bridge) -> None:
    """EOS alone, one token, the same on every door; OpenAI's door takes "" for one, as Ollama's /v1 does."""
    answer = send(small, EMBED, EMBED.body(["", "x", ""])).json()
    assert answer["prompt_eval_count"] == 1 + 2 + 1
    empty = np.array(answer["embeddings"], dtype=np.float32)[[0, 2]]

    for door, text in ((OPENAI, ""), (OPENAI, [""]), (BARE, ["", ""])):
        response = send(small, door, door.body(text))
        np.testing.assert_allclose(door.vectors(response), empty[: len(text) or 1], rtol=0, atol=1e-6)
        assert response.json()["usage"]["prompt_tokens"] == (len(text) or 1)
    assert abs(np.linalg.norm(empty[0]) - 1) < 1e-5


# --- too long -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", [EMBED, OPENAI, BARE], ids=name)
def test_a_cut_is_asked_for_and_reported(small: Bridge, demo: DemoFiles, door: Door) -> None:
    """With `truncate: true` the vector is that of the head that fits, and a header names the texts that were cut."""
    words = " ".join(f"word{n}" for n in range(200))
    tokenizer = Tokenizer.from_file(str(demo.hf / "tokenizer.json"))
    head = tokenizer.decode(tokenizer.encode(words, add_special_tokens=False).ids[:LIMIT])
    assert words.startswith(head)

    texts = ["short", words, "another short one", words + " end"]
    response = send(small, door, door.body(texts, truncate=True))
    assert response.headers["X-Embed-Truncated"] == "1,3"
    whole = send(small, door, door.body(["short", head, "another short one", head]))
    assert "X-Embed-Truncated" not in whole.headers
    np.testing.assert_allclose(door.vectors(response), door.vectors(whole), rtol=0, atol=1e-6)


def test_a_cut_keeps_the_instruction(small: Bridge, demo: DemoFiles) -> None:
    """What is cut is the text's end, never the prompt before it."""
    words = " ".join(f"word{n}" for n in range(200))
    tokenizer = Tokenizer.from_file(str(demo.hf / "tokenizer.json"))
    (rendered,) = send(small, RENDER, RENDER.body(words, input_type="query")).json()["texts"]
    head = tokenizer.decode(tokenizer.encode(rendered["text"], add_special_tokens=False).ids[:LIMIT])
    assert head.startswith("Instruct: ")
    assert "\nQuery:word0 word1" in head

    cut = send(small, EMBED, EMBED.body(words, input_type="query", truncate=True))
    assert cut.headers["X-Embed-Truncated"] == "0"
    np.testing.assert_allclose(EMBED.vectors(cut), small.embed(head), rtol=0, atol=1e-6)


@pytest.mark.parametrize("door", EMBEDDING, ids=name)
def test_nvidias_words_say_which_end_goes(small: Bridge, demo: DemoFiles, door: Door) -> None:
    """NONE refuses what is too long, END keeps its beginning, START its end and the prompt before it; what fits stays
    whole. On Ollama's old route nothing is ever cut."""
    words = " ".join(f"word{n}" for n in range(200))
    if not door.many:
        refused = [door.refused(send(small, door, door.body(words, truncate=word))) for word in ("START", "END")]
        assert [one.code for one in refused] == ["input_too_long"] * 2
        return
    tokenizer = Tokenizer.from_file(str(demo.hf / "tokenizer.json"))
    ids = tokenizer.encode(words, add_special_tokens=False).ids
    kept = {"END": tokenizer.decode(ids[:LIMIT]), "start": tokenizer.decode(ids[-LIMIT:])}

    for word, part in kept.items():
        cut = send(small, door, door.body(words, truncate=word))
        assert cut.headers["X-Embed-Truncated"] == "0"
        np.testing.assert_allclose(door.vectors(cut), small.embed(part), rtol=0, atol=1e-6)
    assert door.refused(send(small, door, door.body(words, truncate="NONE"))).code == "input_too_long"
    for word in ("NONE", "END", "START"):
        assert "X-Embed-Truncated" not in send(small, door, door.body("short", truncate=word)).headers


def test_a_cut_at_the_start_keeps_the_instruction(small: Bridge) -> None:
    """A query's prompt stands before what is left, by whomever it was put there."""
    words = " ".join(f"word{n}" for n in range(200))
    (rendered,) = send(small, RENDER, RENDER.body(words, input_type="query")).json()["texts"]
    prompt = rendered["text"].removesuffix(words)

    cut = send(small, EMBED, EMBED.body(words, input_type="query", truncate="START"))
    ready = send(small, EMBED, EMBED.body(rendered["text"], truncate="START"))

    np.testing.assert_allclose(EMBED.vectors(ready), EMBED.vectors(cut), rtol=0, atol=1e-6)
    found = float("-inf")
    for first in range(200):  # how much of the end was left is the tokenizer's to say
        tail = " ".join(f"word{n}" for n in range(first, 200))
        answer = send(small, EMBED, EMBED.body(f"{prompt} {tail}"))
        if answer.status_code == 200:
            found = float(EMBED.vectors(answer)[0] @ EMBED.vectors(cut)[0])
            break
    assert found > 0.98


def test_a_text_that_just_fits_is_whole(small: Bridge) -> None:
    """At the limit nothing is cut and nothing refused; one token more is."""
    text = "7" * LIMIT  # a digit is a token
    answer = send(small, EMBED, EMBED.body(text))
    assert (answer.status_code, answer.json()["prompt_eval_count"]) == (200, LIMIT + 1)
    for truncate in (True, False):
        whole = send(small, EMBED, EMBED.body(text, truncate=truncate))
        assert whole.json()["embeddings"] == answer.json()["embeddings"]
        assert "X-Embed-Truncated" not in whole.headers

    refused = EMBED.refused(send(small, EMBED, EMBED.body(text + "7")))
    assert f"input 0 has {LIMIT + 1} tokens; the limit is {LIMIT}." in refused.message


def test_many_cut_texts_do_not_burst_the_header(small: Bridge) -> None:
    """Proxies refuse long headers: past fifty the number is reported instead; /metrics counts every one."""

    def counted() -> float:
        lines = requests.get(f"{small.url}/metrics", timeout=60).text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("embed_bridge_truncated_texts_total"))

    before = counted()
    response = send(small, EMBED, EMBED.body(["7" * (LIMIT + 1)] * 51, truncate=True, dimensions=32))

    assert response.status_code == 200
    reported = response.headers["X-Embed-Truncated"]
    assert reported == ",".join(map(str, range(50))) + ", ... 51 in all"
    assert counted() == before + 51


def test_options_that_are_not_obeyed_are_reported(small: Bridge) -> None:
    """They would have made Ollama load the model again; what a preload asks for is reported as well."""
    options = {"num_ctx": 100_000, "num_batch": 1, "temperature": 0.5, "num_gpu": None}
    for door in EMBEDDING:
        for text in ("x", "") if door in (EMBED, LEGACY) else ("x",):
            response = send(small, door, door.body(text, options=options))

            assert (response.status_code, response.headers["X-Embed-Ignored"]) == (200, "num_batch,num_ctx")


# --- slow, broken-off and malformed HTTP ------------------------------------------------------------------------------


def connect(bridge: Bridge) -> socket.socket:
    host, _, port = bridge.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def head(door: Door, *lines: str) -> bytes:
    return "\r\n".join([f"POST {door.path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def answer_on(connection: socket.socket) -> requests.Response:
    """The next HTTP answer on a raw connection."""
    with connection.makefile("rb") as stream:
        response = requests.Response()
        response.status_code = int(stream.readline().split()[1])
        while line := stream.readline().strip():
            key, _, value = line.decode().partition(": ")
            response.headers[key] = value
        response._content = stream.read(int(response.headers["Content-Length"]))
    return response


def test_a_body_that_stalls_is_given_up(small: Bridge) -> None:
    """After limits.body_timeout, at every door; until then it holds nothing but its own connection."""
    with ExitStack() as stack:
        stalled = [(door, stack.enter_context(connect(small))) for door in EVERY * 2]
        for number, (door, connection) in enumerate(stalled):
            connection.sendall(head(door, "Content-Length: 1000") + b'{"model":"demo"' * (number < len(EVERY)))
        assert small.embed("meanwhile")
        for door, connection in stalled:
            refused = door.refused(answer_on(connection))

            assert (refused.status, refused.code) == (408, "body_timeout")
            assert refused.message == "The body did not arrive within 4 s. Send it in one go."


@each_door
@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_breaks_off_harms_nobody(small: Bridge, door: Door, framing: str) -> None:
    """The client is gone; the next one is served."""
    with connect(small) as broken:
        broken.sendall(head(door, framing) + b'3\r\n{"m')
    with connect(small) as aborted:
        aborted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # RST on close
        aborted.sendall(head(door, framing))

    assert small.embed("still here")


def test_a_client_that_leaves_before_its_answer_harms_nobody(small: Bridge) -> None:
    """A whole request, and nobody there to read what comes of it."""
    body = json.dumps(EMBED.body(["7" * LIMIT] * 5)).encode()
    for _ in range(3):
        with connect(small) as gone:
            gone.sendall(head(EMBED, f"Content-Length: {len(body)}") + body)

    assert small.embed("still here")


@pytest.mark.parametrize(
    "request_",
    [
        head(EMBED, "Content-Length: abc"),
        head(EMBED, "Content-Length: -1"),
        head(EMBED, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        head(EMBED, "Transfer-Encoding: chunked") + b"zz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"BREW / HTTP/1.1\r\n\r\n",
    ],
    ids=["length", "negative length", "two lengths", "chunk", "tls", "method"],
)
def test_what_is_no_http_is_refused_and_closed(small: Bridge, request_: bytes) -> None:
    """400 from the server itself, before any door; the connection ends, so that nothing can hide behind it."""
    with connect(small) as connection:
        connection.sendall(request_)
        received = b"".join(iter(lambda: connection.recv(65536), b""))

    assert received.startswith(b"HTTP/1.1 400 ")


def answers(bridge: Bridge, *writes: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each answer on one connection, in order."""
    with connect(bridge) as connection:
        for piece in writes:
            connection.sendall(piece)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    found = []
    while received:
        reported, _, received = received.partition(b"\r\n\r\n")
        length = int(reported.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        found.append((int(reported.split()[1]), received[:length]))
        received = received[length:]
    return found


def posted(door: Door, body: object, *lines: str) -> bytes:
    data = json.dumps(body).encode()
    return head(door, f"Content-Length: {len(data)}", *lines) + data


LAST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def test_a_large_body_and_the_next_heads_beginning_in_one_write(small: Bridge) -> None:
    """Both are answered: a body's bytes count for no head."""
    large = posted(RENDER, {**RENDER.body("x"), "pad": "x" * 70_000})

    assert [status for status, _ in answers(small, large + LAST[:9], LAST[9:])] == [200, 200]


def test_what_follows_a_request_takes_nothing_of_its_answer(small: Bridge) -> None:
    """A valid request is answered, and then the garbage behind it is refused."""
    (first, vectors), (second, _) = answers(small, posted(EMBED, EMBED.body("年假")) + b"\x16\x03\x01garbage")

    assert (first, second) == (200, 400)
    np.testing.assert_allclose(json.loads(vectors)["embeddings"], small.embed("年假"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("offers", [("Upgrade: h2c", "upgrade: websocket"), ("UPGRADE: a", "UpGrade: b", "Upgrade: c")])
def test_several_offers_to_change_the_protocol_are_declined(small: Bridge, offers: tuple[str, ...]) -> None:
    """Each request on the connection keeps its body, whatever it offers."""
    offering = posted(RENDER, RENDER.body("Upgrade: h2c\r\nUpgrade: x"), "Connection: Upgrade", *offers)

    found = answers(small, offering * 2 + LAST)

    assert [status for status, _ in found] == [200, 200, 200]
    assert [json.loads(body)["texts"][0]["text"] for _, body in found[:2]] == ["Upgrade: h2c\r\nUpgrade: x"] * 2


@pytest.mark.parametrize("chunks", ["zz\r\n", "1\r\nabc\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_a_broken_body_that_came_with_its_expectation_is_refused_once(small: Bridge, chunks: str) -> None:
    """Nobody is asked to continue behind the 400, and nothing of it is in the log as a fault of the bridge."""
    sent = head(EMBED, "Expect: 100-continue", "Transfer-Encoding: chunked") + chunks.encode()

    assert [status for status, _ in answers(small, sent)] == [400]
    assert "Traceback" not in small.log.read_text(errors="replace")


@pytest.mark.parametrize("number", [1, 3, 50])
def test_a_reset_behind_pipelined_requests_harms_nobody(small: Bridge, number: int) -> None:
    """And leaves no traceback in the log, which is looked for at the end."""
    for _ in range(5):
        with connect(small) as aborted:
            aborted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            aborted.sendall(posted(EMBED, EMBED.body(["7" * 50] * 20)) * number)

    assert small.embed("still here")
    assert "Traceback" not in small.log.read_text(errors="replace")


# --- the default limits -----------------------------------------------------------------------------------------------


def test_ten_megabytes_of_text_are_counted_and_refused(bridge: Bridge) -> None:
    """With the limits as they come; without leave to cut, no vector."""
    for door, text in ((EMBED, ["x", "annual leave " * 800_000]), (OPENAI, "年假" * 1_750_000)):
        refused = door.refused(bridge.post(door.path, door.body(text)))

        assert (refused.status, refused.code) == (400, "input_too_long")
        assert f"input {len(text) - 1 if isinstance(text, list) else 0} has more than" in refused.message
        assert "tokens; the limit is 8190." in refused.message


@pytest.mark.thorough
def test_ten_megabytes_of_text_are_cut_where_that_is_asked_for() -> None:
    """To the tokens that fit, and the header says so. (A short context, so that the engine has less to do.)"""
    with start("--demo", "--set", f"engine.context={CONTEXT}") as running:
        response = running.post("/api/embed", EMBED.body("annual leave " * 800_000, truncate=True))

        assert (response.status_code, response.headers["X-Embed-Truncated"]) == (200, "0")
        assert LIMIT - 8 < response.json()["prompt_eval_count"] <= LIMIT + 1


def test_a_hundred_thousand_texts_are_refused(bridge: Bridge) -> None:
    """At once, with the limit and its setting."""
    for door in (EMBED, OPENAI):
        refused = door.refused(bridge.post(door.path, door.body(["x"] * 100_000)))

        assert (refused.status, refused.code) == (413, "too_many_texts")
        assert "has 100000 texts; at most 50000" in refused.message
    assert len(bridge.embed("still here")) == 1
    assert "Traceback" not in bridge.log.read_text(errors="replace")
