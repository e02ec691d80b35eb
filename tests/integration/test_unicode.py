"""A string that no UTF-8 can hold is a 400 wherever it stands, but for texts, and leaves nothing behind.

The routes, fields and headers are those of docs/api.md, which tests/unit/repository/test_api_docs.py holds against the
code.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.api_docs import fields, request_headers, routes
from tests.bridge_process import Bridge, bridge
from tests.integration.doors import refusal
from tests.upstreams.chat import Chat
from tests.upstreams.server import serve

STRINGS = ("\ud800", "\udfff", "\ude00\ud83d", "annual \udbff leave", "é\udc80", "x" * 5000 + "\ud83d")
ENCODED = ("%ED%A0%80", "%ed%bf%bf", "x%ED%A0%BD%ED%B8%80y")  # the last is a pair, which UTF-8 writes otherwise
ROUTES = routes()
CHAT = ("/api/chat", "/api/generate", "/v1/chat/completions")
READING = [(method, path) for method, path in ROUTES if method in ("POST", "PUT") and path not in CHAT]
# A body that each route takes, and the field of it that holds texts.
TEXTS = {"/api/embed": "input", "/v1/embeddings": "input", "/embeddings": "input", "/v1/render": "input"}
TEXTS |= {"/api/embeddings": "prompt"}
FINGERPRINT = "0123456789abcdef"

PLACES: dict[str, Callable[[str], object]] = {
    "value": lambda bad: bad,
    "list": lambda bad: ["fine", [bad]],
    "object": lambda bad: {"a": 1, "b": {"c": bad}},
    "key": lambda bad: {"a": [{bad: 1}]},
}


@dataclass(frozen=True)
class Running:
    bridge: Bridge
    chat: Chat
    folder: Path
    session: requests.Session

    def send(self, method: str, path: str, body: object = None, **more: object) -> requests.Response:
        data = None if body is None else json.dumps(body)
        return self.session.request(method, self.bridge.url + path, data=data, timeout=60, **more)  # type: ignore[arg-type]

    def is_as_before(self) -> None:
        """It embeds, expects nothing, has kept nothing, and its log has no traceback."""
        assert len(self.bridge.embed("annual leave")[0]) == 2560
        assert self.send("GET", "/v1/index").json()["expected"] is None
        assert not (self.folder / "index.json").exists()
        assert "Traceback" not in self.bridge.log.read_text(errors="replace")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A bridge that passes chat on, and keeps what it is given."""
    folder, chat = tmp_path_factory.mktemp("unicode"), Chat()
    with serve(chat) as ollama, requests.Session() as session:
        kept = (f"cache.folder={folder}", "cache.disk=64 MiB", "trace.text=true", "log.format=json", "log.level=debug")
        settings = [part for each in (*kept, f"passthrough.ollama={ollama}") for part in ("--set", each)]
        with bridge("--demo", "--set", "engine.threads=1", *settings) as started:
            yield Running(started, chat, folder, session)


def is_refused(response: requests.Response, path: str) -> bool:
    """As a 400 in the door's own shape, in a body that is UTF-8 and names what to do."""
    refused = refusal(response, openai=path.startswith("/v1/") or path == "/embeddings")
    response.content.decode("utf-8", "strict")
    return (refused.status, refused.code, "Send whole characters" in refused.message) == (400, "invalid_string", True)


def a_body(path: str, **more: object) -> dict[str, object]:
    """One that the route would take."""
    own = {TEXTS[path]: "x"} if path in TEXTS else {"fingerprint": FINGERPRINT} if path == "/v1/index" else {}
    return {"model": "demo", **own, **more}


@pytest.mark.parametrize(("method", "path"), READING, ids=lambda part: str(part))
def test_in_every_field(running: Running, method: str, path: str) -> None:
    """In fields that the route reads, that it ignores and that nobody knows; as the value, within it, as a name."""
    for name in [*fields(), "metadata", "user"]:
        if name != TEXTS.get(path):
            for bad in STRINGS:
                for place, make in PLACES.items():
                    answer = running.send(method, path, a_body(path, **{name: make(bad)}))
                    assert is_refused(answer, path), (name, ascii(bad), place, answer.text)
    for bad in STRINGS:
        for body in ({**a_body(path), bad: 1}, {bad: bad, **a_body(path)}, {**a_body(path), "Model": bad}):
            assert is_refused(running.send(method, path, body), path), ascii(bad)
    running.is_as_before()


@pytest.mark.parametrize("path", TEXTS)
def test_in_texts_it_costs_a_letter(running: Running, path: str) -> None:
    """One U+FFFD each, beside fields that are as they should be."""
    for bad in STRINGS[:-1]:
        answer = running.send("POST", path, a_body(path, **{TEXTS[path]: bad, "options": {"stop": ["é"]}}))
        assert answer.status_code == 200, answer.text
    rendered = running.send("POST", "/v1/render", {"model": "demo", "input": ["a\ud800b", "\ude00\ud83d"]}).json()
    assert [text["text"] for text in rendered["texts"]] == ["a\ufffdb", "\ufffd\ufffd"]


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: str(part))
def test_in_every_path_query_and_header(running: Running, method: str, path: str) -> None:
    """Of every route, below it and beside it, known headers and others: with a body that would be taken."""
    path = path.replace("{model}", "demo")
    body = a_body(path) if method != "GET" else None
    for bad in ENCODED:
        for where in (f"{path}?model={bad}", f"{path}?{bad}"):
            assert is_refused(running.send(method, where, body), path), where
        for where in (f"{path.rstrip('/')}/{bad}", f"/{bad}{path}"):  # in which shape, a path to nothing does not say
            lost = running.send(method, where, body)
            assert (lost.status_code, lost.headers["X-Embed-Error"]) == (400, "invalid_string"), where
    for name in [*request_headers(), "X-Unknown", "User-Agent", "Origin"]:
        for raw in (b"\xed\xa0\x80", b"a \xed\xbf\xbf"):
            assert is_refused(running.send(method, path, body, headers={name: raw}), path), name
    running.is_as_before()


@pytest.mark.parametrize("path", CHAT)
def test_a_chat_goes_through_as_it_is(running: Running, path: str) -> None:
    """The bridge reads none of it, and Ollama makes of it what it makes."""
    body = {"model": "chatty:1b", "prompt": "\ud800"}
    assert running.send("POST", path, body).status_code == 200
    assert running.chat.received[-1].body == json.dumps(body).encode()


@pytest.mark.parametrize("raw", [b"/\xed\xa0\x80", b"/v1/index?model=\xed\xa0\x80", b"/%ED%A0"])
def test_bytes_in_a_path(running: Running, raw: bytes) -> None:
    """Raw, which is not HTTP, or half a character: a 4xx, and the connection ends in order."""
    host, port = running.bridge.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % raw)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 4"), answer
    running.is_as_before()
