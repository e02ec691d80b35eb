"""Requests that share a connection: each gets its own answer, in order, however the network splits the bytes."""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from typing import Any

import httptools
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from embedstack.bridge.listen.protocol import MOST_HEAD, HttpProtocol

OFFERS = st.lists(
    st.sampled_from((b"Upgrade: h2c", b"upgrade: websocket", b"UPGRADE:x", b"uPgRaDe:   TLS/1.0, h2c")), max_size=3
)
TEXT = st.sampled_from((b"\r\nUpgrade: h2c\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"POST / HTTP/1.1\r\n", b"x", b"\r", b"\n"))
BODIES = st.lists(TEXT, max_size=6).map(b"".join) | st.binary(max_size=40)
GARBAGE = st.sampled_from(
    (b"", b"\x16\x03\x01\x02", b"nonsense\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"GET /\r\nA b\r\n\r\n")
)


@dataclass(frozen=True)
class Asked:
    """A request: its bytes, and what an echo of it answers."""

    raw: bytes
    path: bytes
    body: bytes


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    path, body, offers = b"/%d" % draw(st.integers(0, 99)), draw(BODIES), draw(OFFERS)
    lines = [*offers, b"Connection: upgrade, keep-alive"] if offers else []
    fields = [b"Host: h", *draw(st.permutations(lines)), b"X-Upgrade: no", b"X-Not: Upgrade: h2c"]
    if draw(st.booleans()):
        fields.append(b"Transfer-Encoding: chunked")
        size = draw(st.integers(1, 7))
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        chunks = [b"%x%b\r\n%b\r\n" % (len(piece), draw(st.sampled_from((b"", b";e=1"))), piece) for piece in pieces]
        sent = b"".join(chunks) + draw(st.sampled_from((b"0\r\n\r\n", b"0\r\nUpgrade: h2c\r\nX: y\r\n\r\n")))
    else:
        fields.append(b"Content-Length: %d" % len(body))
        sent = body
    head = b"\r\n".join((b"POST %b HTTP/1.1" % path, *fields, b"", b""))
    return Asked(draw(st.sampled_from((b"", b"", b"\r\n"))) + head + sent, path, body)


@dataclass
class Wire(asyncio.Transport):
    """The other end of a connection, in memory."""

    written: bytearray = field(default_factory=bytearray)
    paused: bool = False
    closing: bool = False

    def write(self, data: Any) -> None:
        assert not self.closing
        self.written += data

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def write_eof(self) -> None:
        self.closing = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002 -- asyncio's own
        return default


class Answers:
    """What a client reads: each answer's status and body."""

    def __init__(self, raw: bytes) -> None:
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(raw)

    def on_message_begin(self) -> None:
        self.bodies.append(b"")

    def on_body(self, body: bytes) -> None:
        self.bodies[-1] += body

    def on_message_complete(self) -> None:
        self.statuses.append(self._parser.get_status_code())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    parts, more = [scope["raw_path"], b" "], True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        parts.append(message["body"])
        more = message["more_body"]
    for _ in range(int(scope["path"][1:]) % 4):
        await asyncio.sleep(0)
    body = b"".join(parts)
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


async def spoken(pieces: list[bytes], pauses: list[int]) -> Answers:
    """All that the server says to these pieces, between which the loop turns so many times."""
    config = uvicorn.Config(echo, http=HttpProtocol, ws="none", lifespan="off", log_config=None)
    config.load()
    wire = Wire()
    protocol = HttpProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    protocol.connection_made(wire)
    for piece, pause in zip(pieces, pauses, strict=True):
        for _ in range(200):
            if not wire.paused:
                break
            await asyncio.sleep(0)
        assert not wire.paused
        if not wire.closing:
            protocol.data_received(piece)
        for _ in range(pause):
            await asyncio.sleep(0)
    for _ in range(60):
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    return Answers(bytes(wire.written))


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places) if end > start]


@settings(max_examples=300, deadline=None)
@given(
    requests=st.lists(asked(), min_size=1, max_size=4),
    garbage=GARBAGE,
    cuts=st.lists(st.integers(0, 2000), max_size=12),
    pause=st.integers(0, 4),
)
@pytest.mark.slow
def test_any_split_of_any_requests(requests: list[Asked], garbage: bytes, cuts: list[int], pause: int) -> None:
    """Each has its own answer, with its body to the byte; what follows them and is not HTTP gets a 400 behind those."""
    pieces = split(b"".join(one.raw for one in requests) + garbage, cuts)

    found = asyncio.run(spoken(pieces, [pause] * len(pieces)))

    echoed = [one.path + b" " + one.body for one in requests]
    assert found.statuses == [200] * len(requests) + [400] * bool(garbage)
    assert found.bodies[: len(requests)] == echoed


@pytest.mark.parametrize("size", [1_000, MOST_HEAD - 1, MOST_HEAD, MOST_HEAD + 1, 3 * MOST_HEAD])
@pytest.mark.parametrize("before", [0, 70_000])
@pytest.mark.parametrize("piece", [1_448, 65_536, 262_144])
def test_heads_up_to_the_bound(size: int, before: int, piece: int) -> None:
    """A head of 64 KiB is taken and a larger one refused, behind a body of any size, in pieces of any size."""
    first = b"POST /1 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (before, bytes(before))
    head = b"GET /2 HTTP/1.1\r\nX: "
    second = head + b"x" * (size - len(head) - 4) + b"\r\n\r\n"
    sent = first + second
    pieces = [sent[at : at + piece] for at in range(0, len(sent), piece)]

    found = asyncio.run(spoken(pieces, [0] * len(pieces)))

    assert found.statuses == [200, 200 if size <= MOST_HEAD else 431]
    assert len(found.bodies[0]) == 3 + before


def test_body_and_the_beginning_of_the_next_head_in_one_write() -> None:
    """The bytes of a body count for no head."""
    body = bytes(70_000)
    pieces = [b"POST /1 HTTP/1.1\r\nContent-Length: 70000\r\n\r\n", body + b"GET /2 HTT", b"P/1.1\r\n\r\n"]

    assert asyncio.run(spoken(pieces, [1, 1, 1])).statuses == [200, 200]


def test_what_comes_behind_an_early_answer_is_not_kept() -> None:
    """A client that sends on and on behind a request that is being answered is read to a bound."""

    async def sending() -> int:
        config = uvicorn.Config(waits, http=HttpProtocol, ws="none", lifespan="off", log_config=None)
        config.load()
        wire = Wire()
        protocol = HttpProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        protocol.connection_made(wire)
        protocol.data_received(b"GET /1 HTTP/1.1\r\n\r\n")
        sent = 0
        while not wire.paused:
            protocol.data_received(b"GET /2 HTTP/1.1\r\n\r\n" * 100)
            sent += 1_900
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return sent

    async def waits(_: Any, __: Any, ___: Any) -> None:
        await asyncio.Event().wait()

    with contextlib.suppress(asyncio.CancelledError):
        assert asyncio.run(sending()) < 70_000
