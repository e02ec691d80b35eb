"""A request of many texts through a running bridge: its answer comes in chunks, and is the same."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import numpy as np
import pytest
import requests

from embedstack.vectors.mrl import Vectors
from tests.bridge_process import Bridge, bridge
from tests.integration.doors import EMBED, OPENAI, Door

TEXTS = [f"text {number}" for number in range(110)]  # 2,560 numbers each: more than is written in one go


pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def running() -> Iterator[Bridge]:
    with bridge("--demo", "--set", "engine.threads=1", cached=True) as started:
        yield started


@pytest.fixture(scope="module")
def expected(running: Bridge) -> Vectors:
    """By requests that are short."""
    return np.array(running.embed(*TEXTS[:55]) + running.embed(*TEXTS[55:]), np.float32)


@pytest.mark.parametrize(
    ("door", "fields"),
    [(EMBED, {}), (OPENAI, {}), (OPENAI, {"encoding_format": "base64"})],
    ids=["ollama", "openai", "base64"],
)
def test_a_long_answer_is_the_same_in_chunks(
    running: Bridge, expected: Vectors, door: Door, fields: dict[str, object]
) -> None:
    """Every vector, in its place; short ones keep their length."""
    long = running.post(door.path, door.body(TEXTS, **fields))
    short = running.post(door.path, door.body(TEXTS[:2], **fields))

    assert long.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in long.headers
    assert "encode" not in long.headers["Server-Timing"]
    assert np.array_equal(door.vectors(long), expected)
    assert int(short.headers["Content-Length"]) == len(short.content)
    assert "encode" in short.headers["Server-Timing"]


def test_http_1_0_gets_a_long_answer_whole(running: Bridge, expected: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some proxies ask by default."""
    monkeypatch.setattr(http.client.HTTPConnection, "_http_vsn", 10)
    monkeypatch.setattr(http.client.HTTPConnection, "_http_vsn_str", "HTTP/1.0")
    client = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=60)
    client.request("POST", "/api/embed", json.dumps(EMBED.body(TEXTS)), {"Host": "localhost"})
    answer = client.getresponse()

    assert answer.status == 200
    assert answer.getheader("Transfer-Encoding") is None
    body = answer.read()
    assert int(answer.getheader("Content-Length") or 0) == len(body)
    assert np.array_equal(np.array(json.loads(body)["embeddings"], np.float32), expected)
    client.close()


def test_a_client_that_goes_in_the_middle_harms_nobody(running: Bridge, expected: Vectors) -> None:
    """The next one has all of it."""
    with requests.post(running.url + "/api/embed", json=EMBED.body(TEXTS), stream=True, timeout=60) as left:
        assert left.raw.read(1000)

    assert np.array_equal(EMBED.vectors(running.post("/api/embed", EMBED.body(TEXTS))), expected)
