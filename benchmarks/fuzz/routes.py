"""Requests to every route of the bridge: right ones, and right ones with something changed in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.fuzz import mutate
from benchmarks.fuzz.case import Chance, Sent, Try
from benchmarks.fuzz.oracle import EMBED

TEXTS = (
    *("the holidays", "What is the capital of China?", "公司年假政策有哪些？", "def add(a, b):\n    return a + b"),
    *(
        "한국어",
        "한국어",
        "e\u0301clair",
        "👩‍🚀 🇨🇭",
        "<|endoftext|> in a text",
        " blanks  before and behind ",
        "\ttab\n\n",
    ),
    *("a", "0", "Ω≈ç√∫", "مرحبا بالعالم", "नमस्ते", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "x" * 60, "travel and expenses " * 8),
)
ROUTES = (
    *(("POST", path) for path in (*EMBED, "/api/show", "/v1/render")),
    *(
        ("GET", path)
        for path in ("/", "/api/tags", "/api/ps", "/api/version", "/v1/models", "/v1/models/demo", "/healthz")
    ),
    *(("GET", path) for path in ("/readyz", "/metrics", "/v1/cache", "/v1/index", "/v1/trace")),
    *(("DELETE", "/v1/cache"), ("PUT", "/v1/index"), ("HEAD", "/"), ("OPTIONS", "/api/embed")),
    *(("POST", path) for path in ("/api/chat", "/api/generate", "/v1/chat/completions")),
)
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "FOO", "get")
HEADERS = (
    *("X-Embed-Task", "X-Embed-Lane", "X-Embed-Index", "X-Request-Timeout", "X-OpenWebUI-User-Id", "Authorization"),
    *("Content-Type", "Content-Encoding", "Accept", "Accept-Encoding", "Origin", "Host", "Cookie", "X-Forwarded-For"),
    *("User-Agent", "Range", "If-None-Match", "X-HTTP-Method-Override", "x-" + "a" * 200),
)
VALUES = (
    *(
        "",
        " ",
        "demo",
        "query",
        "bulk",
        "interactive",
        "0",
        "-1",
        "1e9",
        "nan",
        "gzip",
        "deflate",
        "br",
        "identity, gzip",
    ),
    *(
        "application/json",
        "text/plain; charset=utf-16",
        "http://localhost:3000",
        "https://evil.example",
        "null",
        "a" * 4_000,
    ),
    *("127.0.0.1", "[::1]:80", "localhost:99999", "Bearer x", "Basic !!", "\xff\xfe", "bytes=0-", "0123456789abcdef"),
)
PATHS: tuple[Callable[[str], str], ...] = (
    lambda path: path + "/",
    lambda path: "/" + path,
    lambda path: path + "?a=1&model=x",
    lambda path: path.replace("/", "//", 1),
    lambda path: path.upper(),
    lambda path: path.replace("e", "%65", 1),
    lambda path: path + "%00",
    lambda path: path + "/%2e%2e/metrics",
    lambda path: "/v1" + path,
    lambda path: path + "\xff",
    lambda path: path + "#x",
    lambda path: path + "a" * 3_000,
    lambda path: path + "/%ED%A0%80",
)


def right(chance: Chance, host: str) -> Sent:
    """An embedding request in which nothing is wrong."""
    path = chance.choice(EMBED)
    return _sent("POST", path, _body(path, chance), host, chance, whole=True)


def make(chance: Chance, host: str) -> Try:
    """Four in five with something changed."""
    if chance.random() < 0.2:
        sent = right(chance, host)
        return Try((sent.frame(),), (sent,), whole=True)
    method, path = chance.choice((("POST", chance.choice(EMBED)), chance.choice(ROUTES)))
    sent = _changed(_sent(method, path, _body(path, chance), host, chance), chance)
    return Try((sent.frame(),), (sent,), whole=True)


def _body(path: str, chance: Chance) -> dict[str, Any]:
    if path == "/v1/index":
        return {"fingerprint": "4acb76d401cb515", "model": "demo"}  # a digit short, so that none is expected
    if path == "/api/embeddings":
        return {"model": "demo", "prompt": chance.choice(TEXTS)}
    texts = [chance.choice(TEXTS) for _ in range(chance.randint(1, 5))]
    body: dict[str, Any] = {"model": "demo", "input": chance.choice((texts, texts[0]))}
    if chance.random() < 0.4:
        body["dimensions"] = chance.choice((32, 256, 1024, 2560))
    if chance.random() < 0.4:
        body["input_type"] = chance.choice(("query", "document"))
    if path.endswith("/embeddings") and chance.random() < 0.4:
        body["encoding_format"] = chance.choice(("float", "base64"))
    return body


def _sent(method: str, path: str, body: Any, host: str, chance: Chance, *, whole: bool = False) -> Sent:
    data = mutate.encoded(body, chance) if method in ("POST", "PUT") else b""
    return Sent(method, path, _headers(host, data), data, whole)


def _headers(host: str, data: bytes) -> Mapping[str, str]:
    return {"Host": host, "Content-Type": "application/json", "Content-Length": str(len(data)), "Connection": "close"}


def _changed(sent: Sent, chance: Chance) -> Sent:
    method, path, headers, body = sent.method, sent.path, dict(sent.headers), sent.body
    act = chance.random()
    if body and act < 0.6:
        import json

        body = mutate.encoded(mutate.changed(json.loads(body), chance), chance)
    elif body and act < 0.7:
        body = mutate.damaged(body, chance)
    elif act < 0.8:
        path = chance.choice(PATHS)(path)
    elif act < 0.85:
        method = chance.choice(METHODS)
    if act > 0.8 or chance.random() < 0.1:
        headers |= {chance.choice(HEADERS): chance.choice(VALUES) for _ in range(chance.randint(1, 3))}
    return Sent(method, path, {**headers, "Content-Length": str(len(body)), "Connection": "close"}, body)
