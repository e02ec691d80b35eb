"""Large bodies, many at once: memory keeps to a bound, honest clients are served, and a stranger is not read."""

from __future__ import annotations

import json
import selectors
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse

import psutil
import pytest
import requests

from tests.bridge_process import Bridge, bridge
from tests.integration.doors import EMBED, EVERY, OPENAI, RENDER, Door, name, refusal

MB = 1_000_000
KEY = "one-of-the-bridge"


@pytest.fixture(scope="module")
def keyed() -> Iterator[Bridge]:
    """A bridge with a key and the limits as they come."""
    with bridge("--demo", "--set", "engine.threads=1", "--set", f"security.api_keys=[{KEY}]") as running:
        yield running
        assert "Traceback" not in running.log.read_text(errors="replace")


def connect(running: Bridge) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def head(door: Door, *lines: str, key: str = KEY) -> bytes:
    fields = ("Host: localhost", f"Authorization: Bearer {key}", *lines)
    return "\r\n".join((f"POST {door.path} HTTP/1.1", *fields, "", "")).encode()


def padded(door: Door, text: str, size: int) -> bytes:
    body = json.dumps({**door.body(text), "pad": ""}).encode()
    return body[:-2] + b"x" * (size - len(body)) + body[-2:]


def resident(running: Bridge) -> float:
    return psutil.Process(running.pid).memory_info().rss / MB


@contextmanager
def half_sent(running: Bridge, number: int, framing: Sequence[str], size: int) -> Iterator[None]:
    """So many bodies of so many bytes, of which as much is sent as is taken, and never the end."""
    with ExitStack() as stack, selectors.DefaultSelector() as ready:
        for _ in range(number):
            client = stack.enter_context(connect(running))
            client.sendall(head(RENDER, *framing))
            client.setblocking(False)
            ready.register(client, selectors.EVENT_WRITE, [0])
        body = (b" " if framing[0].startswith("Content") else b"10000\r\n" + b" " * 65536 + b"\r\n") * 1000
        body = memoryview(body * (size // len(body) + 1))[: size - 1]
        while ready.get_map() and (writable := ready.select(0.5)):
            for entry, _ in writable:
                assert isinstance(entry.fileobj, socket.socket)
                entry.data[0] += entry.fileobj.send(body[entry.data[0] : entry.data[0] + MB])
                if entry.data[0] == len(body):
                    ready.unregister(entry.fileobj)
        yield


def uploads(running: Bridge, number: int, size: int) -> list[int]:
    """The statuses of so many large uploads at once."""

    def upload(at: int) -> int:
        headers = {"Authorization": f"Bearer {KEY}"}
        body = padded(RENDER, f"text {at}", size)
        return requests.post(running.url + RENDER.path, data=body, headers=headers, timeout=60).status_code

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(upload, range(number)))


@pytest.mark.parametrize("framing", ["Content-Length: 62000000", "Transfer-Encoding: chunked"])
def test_half_sent_bodies_keep_to_a_bound(keyed: Bridge, framing: str) -> None:
    """Eight of 62 MB take less than 150 MB together; small requests are served meanwhile, large ones afterwards."""
    assert uploads(keyed, 1, 1000) == [200]
    before = resident(keyed)

    with half_sent(keyed, 8, [framing], 62 * MB):
        assert resident(keyed) - before < 150
        assert uploads(keyed, 64, 60_000) == [200] * 64
    assert uploads(keyed, 6, 40 * MB) == [200] * 6


@pytest.mark.parametrize("door", EVERY, ids=name)
def test_a_wrong_key_is_refused_before_the_body_is_sent(keyed: Bridge, door: Door) -> None:
    """A client that asks whether to send it is not asked for it, and the connection ends with the answer."""
    for lines in (["Content-Length: 60000000"], ["Content-Length: 60000000", "Expect: 100-continue"]):
        with connect(keyed) as client:
            client.sendall(head(door, *lines, key="wrong"))
            received = b"".join(iter(lambda: client.recv(65536), b""))

        assert received.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in received


@pytest.mark.parametrize("door", [EMBED, OPENAI], ids=name)
def test_a_wrong_key_with_a_large_body_gets_its_answer(keyed: Bridge, door: Door) -> None:
    """A client that sends all before it reads is not reset; what it sends is thrown away."""
    before = resident(keyed)
    body = padded(door, "x", 60 * MB)

    refused = requests.post(keyed.url + door.path, data=body, headers={"Authorization": "Bearer wrong"}, timeout=60)

    assert refusal(refused, openai=door.openai).code == "unauthorized"
    assert resident(keyed) - before < 30


def test_a_refused_small_request_keeps_its_connection(keyed: Bridge) -> None:
    """What is still to come of its body is read and thrown away, and the next request is answered."""
    body = padded(EMBED, "x", 1000)
    with connect(keyed) as client:
        client.sendall(head(EMBED, f"Content-Length: {len(body)}", key="wrong"))
        with HTTPResponse(client) as refused:
            refused.begin()
            assert (refused.status, refused.read()[:9]) == (401, b'{"error":')
        client.sendall(body + head(RENDER, f"Content-Length: {len(body)}", "Connection: close") + body)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
