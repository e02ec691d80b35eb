"""Chat through the bridge: it streams both ways, ends with its client, keeps keys here, and never manages models."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
import requests

from tests.bridge_process import Bridge, bridge
from tests.engines.process import free_port
from tests.integration.doors import refusal
from tests.stacks import Stacks
from tests.upstreams.chat import BLOCK, EVENTS, NDJSON, BreaksOff, Chat, Endless, Flood, Refuses, Slow
from tests.upstreams.load import wait_until
from tests.upstreams.server import serve

CHAT = ("/api/chat", "/api/generate", "/v1/chat/completions")
MANAGING = (
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("POST", "/api/blobs/sha256:29fdb92e57cf0827ded04ae6461b5931d01fa595843f55d36f5b275a52087dd2"),
    ("HEAD", "/api/blobs/sha256:29fdb92e57cf0827ded04ae6461b5931d01fa595843f55d36f5b275a52087dd2"),
)
KEY = "one-of-the-bridge"
WITHIN = 20.0  # seconds
ASKED = {"model": "chatty:1b", "messages": [{"role": "user", "content": "日本 hello"}]}


@contextmanager
def before(ollama: str, *settings: str) -> Iterator[Bridge]:
    """A bridge that passes chat on to `ollama`; the engine that it would embed with is not there and not missed."""
    sets = ("model.id=demo", f"passthrough.ollama={ollama}", *settings)
    arguments = [part for setting in sets for part in ("--set", setting)]
    with bridge("--upstream", f"http://127.0.0.1:{free_port()}", *arguments, wait_ready=False) as running:
        yield running


@contextmanager
def chatting(upstream: Chat, *settings: str) -> Iterator[Bridge]:
    with serve(upstream) as url, before(url, *settings) as running:
        yield running


def streamed(running: Bridge, path: str, **more: Any) -> requests.Response:
    return requests.post(running.url + path, json=ASKED, stream=True, timeout=WITHIN, **more)


@contextmanager
def asked_over_a_socket(running: Bridge) -> Iterator[socket.socket]:
    """A client that has asked, and reads what the test reads and no more."""
    host, port = running.url.removeprefix("http://").split(":")
    body = json.dumps(ASKED).encode()
    with socket.create_connection((host, int(port)), timeout=WITHIN) as client:
        head = f"POST /api/chat HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        yield client


@pytest.fixture(scope="module")
def chat() -> Iterator[tuple[Bridge, Chat]]:
    """A bridge with a key before an upstream that answers at once."""
    upstream = Chat()
    with chatting(upstream, f"security.api_keys=[{KEY}]", "limits.body_bytes=100000") as running:
        yield running, upstream


def keyed(**more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY}", **more}


@pytest.mark.parametrize(
    ("path", "content_type", "pieces"),
    [
        ("/api/chat", NDJSON, [b'{"n":1}\n', b'{"n":2}\n', b'{"n":3,"done":true}\n']),
        ("/api/generate", NDJSON, [b'{"response":"a"}\n', b'{"response":"b","done":true}\n']),
        ("/v1/chat/completions", EVENTS, [b'data: {"n":1}\n\n', b"data: [DONE]\n\n"]),
    ],
)
def test_each_piece_arrives_before_the_next_is_made(path: str, content_type: str, pieces: list[bytes]) -> None:
    """Nothing waits for the end: the upstream goes on only when the client has what was said so far."""
    upstream = Slow(pieces, content_type)
    with chatting(upstream) as running, streamed(running, path) as answer:
        assert answer.headers["Content-Type"] == content_type
        assert "X-Own" not in answer.headers
        got = []
        for piece in answer.raw.stream(decode_content=True):
            got.append(piece)
            upstream.go_on.release()

    assert got == pieces


@pytest.mark.parametrize("path", CHAT)
def test_the_body_goes_through_to_the_byte_and_the_key_does_not(path: str, chat: tuple[Bridge, Chat]) -> None:
    """Ollama sees the request as sent, from a client of its own: no key, no page's origin, its own Host."""
    running, upstream = chat
    body = '{"model": "chatty:1b",  "unknown": "日本"}'.encode()
    headers = keyed(Origin="http://localhost:3000", **{"X-Api-Key": KEY, "Cookie": "token=1"})

    answer = requests.post(running.url + path, data=body, headers=headers, timeout=WITHIN)

    assert (answer.status_code, answer.content) == (200, b'{"message":{"content":"hello"},"done":true}')
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    arrived = upstream.received[-1]
    assert (arrived.path, arrived.body) == (path, body)
    assert {"authorization", "x-api-key", "cookie", "origin"} & set(arrived.headers) == set()
    assert arrived.headers["host"] != running.url.removeprefix("http://")
    assert KEY not in repr(arrived)


def test_a_body_without_a_length_goes_through_too(chat: tuple[Bridge, Chat]) -> None:
    """Chunked from the client, chunked to Ollama."""
    running, upstream = chat
    parts = [b'{"model": ', b'"chatty:1b"}']

    answer = requests.post(running.url + "/api/chat", data=iter(parts), headers=keyed(), timeout=WITHIN)

    assert answer.status_code == 200
    assert upstream.received[-1].body == b"".join(parts)


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_a_body_is_refused(chat: tuple[Bridge, Chat], chunked: bool) -> None:
    """At `limits.body_bytes`, as everywhere."""
    running, upstream = chat
    body = b"x" * 200_000
    before_it = len(upstream.received)
    sent = iter([body[:60_000]] * 2) if chunked else body

    answer = requests.post(running.url + "/api/chat", data=sent, headers=keyed(), timeout=WITHIN)

    assert refusal(answer, openai=False).code == "body_too_large"
    assert len(upstream.received) == before_it


@pytest.mark.parametrize("path", CHAT)
def test_the_guard_stands_before_chat(path: str, chat: tuple[Bridge, Chat]) -> None:
    """No key, a foreign page, a foreign Host: refused in the door's own shape, and Ollama hears nothing."""
    running, upstream = chat
    before_it, openai = len(upstream.received), path.startswith("/v1/")

    codes = [
        refusal(running.post(path, ASKED, headers=headers), openai=openai).code
        for headers in ({}, keyed(Origin="https://evil.example"), keyed(Host="evil.example"))
    ]

    assert codes == ["unauthorized", "origin_not_allowed", "host_not_allowed"]
    assert len(upstream.received) == before_it


@pytest.mark.parametrize("silent", [False, True], ids=["mid-answer", "before-the-answer"])
def test_a_client_that_leaves_ends_the_generation(silent: bool) -> None:
    """Ollama sees the connection go, and computes no further for nobody."""
    upstream = Endless(silent=silent)
    with chatting(upstream) as running:
        with asked_over_a_socket(running) as client:
            assert upstream.began.wait(WITHIN)
            if not silent:
                assert client.recv(1000)

        assert upstream.left.wait(WITHIN)


def test_a_slow_reader_holds_the_upstream_back() -> None:
    """What the client does not take stays unsaid: 64 MiB never pile up in the bridge, and all of it arrives."""
    upstream = Flood(1024)
    with chatting(upstream) as running, streamed(running, "/api/chat") as answer:
        process = psutil.Process(running.pid)
        seen: list[int] = []

        def stalled() -> bool:
            seen.append(upstream.sent)
            return len(seen) > 20 and seen[-20] == seen[-1] > 0

        wait_until(stalled, within=WITHIN, what="the upstream is held back")
        assert upstream.sent < 512
        assert process.memory_info().rss < 200 * 2**20
        assert sum(map(len, answer.iter_content(2**20))) == 1024 * len(BLOCK)


def test_a_client_that_stops_reading_ends_the_generation() -> None:
    """It stays connected and takes nothing: after `limits.answer_timeout` Ollama's connection is closed."""
    upstream = Flood(1024)
    with chatting(upstream, "limits.answer_timeout=0.3") as running, asked_over_a_socket(running) as client:
        assert client.recv(1000)
        assert upstream.left.wait(WITHIN)
        assert upstream.sent < 512
        assert "took nothing of its answer" in running.log.read_text()


def test_an_answer_that_breaks_off_is_not_taken_for_whole() -> None:
    """The client sees what was said, and then an error of its connection."""
    with chatting(BreaksOff()) as running, streamed(running, "/api/chat") as answer:
        pieces = answer.iter_content(None)
        assert next(pieces) == b'{"message":{"content":"I was about to"}}\n'
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            next(pieces)


def test_an_answer_that_falls_silent_is_broken_off() -> None:
    """After `passthrough.silence`, which counts from its last word."""
    upstream = Slow([b'{"n":1}\n', b'{"n":2}\n'], NDJSON)
    with chatting(upstream, "passthrough.silence=2") as running, streamed(running, "/api/chat") as answer:
        pieces = answer.iter_content(None)
        assert next(pieces) == b'{"n":1}\n'
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            next(pieces)
        upstream.go_on.release()


def test_what_ollama_refuses_is_passed_on() -> None:
    """Its status and its words, which have the shape of the path already."""
    with chatting(Refuses()) as running:
        answers = {path: running.post(path, ASKED) for path in CHAT}

    assert {answer.status_code for answer in answers.values()} == {404}
    reply = {path: answer.json()["error"] for path, answer in answers.items()}
    assert reply.pop("/v1/chat/completions")["message"] == "model 'gone' not found"
    assert set(reply.values()) == {"model 'gone' not found"}


def test_an_ollama_that_is_away_is_said() -> None:
    """503, in the door's shape; what is ours is listed all the same."""
    with before(f"http://127.0.0.1:{free_port()}/v1/") as running:
        lines = [refusal(running.post(path, ASKED), openai=path.startswith("/v1/")) for path in CHAT]
        tags = requests.get(f"{running.url}/api/tags", timeout=WITHIN).json()

    assert {(refused.status, refused.code) for refused in lines} == {(503, "engine_down")}
    assert [entry["name"] for entry in tags["models"]][:2] == ["demo:stand-in", "demo:latest"]


def test_an_upstream_that_says_nothing_is_given_up() -> None:
    """After `passthrough.silence`."""
    upstream = Endless(silent=True)
    with chatting(upstream, "passthrough.silence=0.3") as running:
        reported = refusal(running.post("/api/chat", ASKED), openai=False)
        assert upstream.left.wait(WITHIN)

    assert (reported.status, reported.code) == (504, "engine_timeout")
    assert "0.3 s" in reported.message


@pytest.mark.parametrize(("method", "path"), MANAGING)
def test_models_are_never_managed_through_the_bridge(method: str, path: str, chat: tuple[Bridge, Chat]) -> None:
    """404 that says why, and Ollama hears nothing; not with a doubled slash either."""
    running, upstream = chat
    before_it = len(upstream.received)

    for url in (running.url + path, f"{running.url}/{path}/"):
        answer = requests.request(method, url, json={"model": "chatty:1b"}, headers=keyed(), timeout=WITHIN)
        assert answer.status_code == 404
        assert method == "HEAD" or "managed at Ollama itself" in answer.json()["error"]
    assert len(upstream.received) == before_it


def test_what_chats_is_listed_after_what_embeds(chat: tuple[Bridge, Chat]) -> None:
    """In both lists and by /api/show; no other embedding model, whose vectors this bridge does not give."""
    running, _ = chat
    tags = requests.get(f"{running.url}/api/tags", headers=keyed(), timeout=WITHIN).json()["models"]
    listed = requests.get(f"{running.url}/v1/models", headers=keyed(), timeout=WITHIN).json()["data"]
    shown = running.post("/api/show", {"model": "chatty:1b"}, headers=keyed())
    unknown = running.post("/api/show", {"model": "nobody:1b"}, headers=keyed())

    names = [entry["name"] for entry in tags]
    assert (names[:2], names[-2:]) == (["demo:stand-in", "demo:latest"], ["chatty:1b", "older:7b"])
    one = requests.get(f"{running.url}/v1/models/older:7b", headers=keyed(), timeout=WITHIN).json()
    assert one == listed[-1]
    assert [entry["id"] for entry in listed] == ["demo:stand-in", "demo", "chatty:1b", "older:7b"]
    assert shown.json() == {"capabilities": ["completion"]}
    assert refusal(unknown, openai=False).code == "model_not_found"


def test_without_the_setting_there_is_no_chat() -> None:
    """And the answer names the setting."""
    with bridge("--upstream", f"http://127.0.0.1:{free_port()}", "--set", "model.id=demo", wait_ready=False) as running:
        lines = [refusal(running.post(path, ASKED), openai=path.startswith("/v1/")) for path in CHAT]

    assert {(refused.status, refused.code) for refused in lines} == {(404, "not_found")}
    assert all("passthrough.ollama" in refused.message for refused in lines)


@pytest.mark.needs("ollama")
def test_the_real_ollama_behind_both(stacks: Stacks) -> None:
    """Its refusal of a chat with an embedding model comes through, and its models stay as they are."""
    ollama = stacks.upstream("ollama").url
    models = requests.get(f"{ollama}/api/tags", timeout=WITHIN).json()
    sets = ("--set", "model.id=demo", "--set", "model.precision=f16", "--set", f"passthrough.ollama={ollama}")
    with bridge("--upstream", ollama, *sets) as running:
        assert len(running.embed("hello")[0]) == 2560
        for path in CHAT:
            direct = requests.post(ollama + path, json={**ASKED, "model": "demo", "prompt": "x"}, timeout=WITHIN)
            through = running.post(path, {**ASKED, "model": "demo", "prompt": "x"})
            assert (through.status_code, through.json()) == (direct.status_code, direct.json())
            assert through.status_code == 400
        for method, path in MANAGING:
            body = {"model": "demo", "source": "demo", "destination": "copy", "from": "demo"}
            answer = requests.request(method, running.url + path, json=body, timeout=WITHIN)
            assert answer.status_code == 404
        names = [e["name"] for e in requests.get(f"{running.url}/api/tags", timeout=WITHIN).json()["models"]]

    assert names[:2] == ["demo:stand-in", "demo:latest"]
    assert all(name.startswith("demo@") for name in names[2:])
    assert requests.get(f"{ollama}/api/tags", timeout=WITHIN).json() == models
