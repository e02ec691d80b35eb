"""The client of the engines: legal answers are read, broken ones named, and no connection is kept wrongly."""

import asyncio
import contextlib
import itertools
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from embedstack.bridge.backends import connection as wire
from embedstack.bridge.backends import http
from embedstack.bridge.backends.base import EngineDied, EngineDown, EngineGarbled
from embedstack.bridge.backends.http import Answer, EngineClient
from embedstack.bridge.errors import EngineAnswerInvalid, EngineNotReady, EngineTimeout
from tests.upstreams.server import Connection, Request, serve

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n2;x=y\r\nod\r\n0\r\nTrailer: t\r\n\r\n"
GOOD = Answer(200, b"good")
Reply = Callable[[Connection], Awaitable[None]]


class Upstream:
    """Answers each request with the next of `replies`, bytes or a way to behave; the last one again and again."""

    def __init__(self, *replies: bytes | Reply) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []
        self.connections: list[Connection] = []

    async def __call__(self, request: Request, connection: Connection) -> None:
        self.requests.append(request)
        self.connections.append(connection)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, bytes):
            await connection.write(reply)
        else:
            await reply(connection)

    @property
    def opened(self) -> int:
        return len({id(connection) for connection in self.connections})


@contextmanager
def upstream(*replies: bytes | Reply) -> Iterator[tuple[str, Upstream]]:
    script = Upstream(*replies)
    with serve(script) as url:
        yield url, script


def then_close(data: bytes) -> Reply:
    async def reply(connection: Connection) -> None:
        await connection.write(data)
        connection.close()

    return reply


async def hang(_: Connection) -> None:
    await asyncio.Event().wait()


def client(url: str, *, timeout: float = 5, api_key: str | None = None) -> EngineClient:
    return EngineClient(url, api_key=api_key, timeout=timeout, connect_timeout=2)


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(asyncio.wait_for(what, 20))


def post(url: str, times: int = 1, **options: Any) -> list[Answer]:
    """The answers to so many requests, one after another."""

    async def all_of_them() -> list[Answer]:
        engine = client(url, **options)
        try:
            return [await engine.post("/embed", {"input": "text"}) for _ in range(times)]
        finally:
            await engine.close()

    answers: list[Answer] = run(all_of_them())
    return answers


@pytest.mark.parametrize(
    "reply",
    [
        OK,
        CHUNKED,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK,
    ],
    ids=["length", "chunked", "continue", "interim"],
)
def test_answer_that_leaves_the_connection_open(reply: bytes) -> None:
    """An answer of known end is read whole, and the next request goes over the same connection."""
    with upstream(reply) as (url, script):
        assert post(url, 3) == [GOOD] * 3
        assert script.opened == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n\r\ngood",
        b"HTTP/1.0 200 OK\r\n\r\ngood",
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ngood",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngood",
    ],
    ids=["until-close", "1.0-until-close", "1.0-length", "close"],
)
def test_answer_that_ends_the_connection(reply: bytes) -> None:
    """An answer that ends its connection is read whole, and the next request opens another."""
    with upstream(then_close(reply)) as (url, script):
        assert post(url, 2) == [GOOD] * 2
        assert script.opened == 2


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, len(CHUNKED) - 1), max_size=12), data=st.sampled_from([OK, CHUNKED]))
def test_bytes_split_anywhere(cuts: list[int], data: bytes) -> None:
    """However the network cuts an answer into pieces, it reads the same."""
    places = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]

    async def fed() -> wire.Raw:
        connection = wire.Connection()
        connection.connection_made(_Nowhere())
        answer = asyncio.ensure_future(connection.exchange(b"", 5))
        await asyncio.sleep(0)
        for begin, end in itertools.pairwise(places):
            connection.data_received(data[begin:end])
        return await answer

    assert wire.Raw(200, b"good", "") == asyncio.run(fed())


async def _closed(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0)  # the transports that were let go of end in the next round


class _Nowhere(asyncio.Transport):
    def write(self, data: Any) -> None: ...

    def is_closing(self) -> bool:
        return False


def test_request_as_engines_read_it() -> None:
    """A request has its length, asks for no compression, and bears the key."""
    with upstream(OK) as (url, script):
        post(url + "/prefix", api_key="secret")
    [request] = script.requests
    assert (request.method, request.path, request.json()) == ("POST", "/prefix/embed", {"input": "text"})
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["authorization"] == "Bearer secret"
    assert url.removeprefix("http://") == request.headers["host"]


def test_user_and_password_in_the_address() -> None:
    """Who stands in the URL is sent as Basic auth, unquoted, and never shown."""
    with upstream(OK) as (url, script):
        address = url.replace("//", "//me:p%40ss@")
        post(address)
    assert f"Basic {b64encode(b'me:p@ss').decode()}" == script.requests[0].headers["authorization"]
    assert url == client(address).url


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host:port", "http://ho st", "nonsense"])
def test_no_address(url: str) -> None:
    """What is not HTTP address is a matter of configuration, whatever is asked."""
    with pytest.raises(EngineNotReady, match="is not an address"):
        post(url)


def test_nobody_listens() -> None:
    """An engine that is not there is down, which is another thing than dead."""
    with upstream(OK) as (url, _):
        pass
    with pytest.raises(EngineDown, match="refused"):
        post(url)


@pytest.mark.parametrize(
    "reply",
    [
        then_close(b""),
        then_close(b"HTTP/1.1 200 OK\r\nContent-Le"),
        then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ngood"),
        then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n"),
        then_close(b"HTTP/1.1 100 Continue\r\n\r\n"),
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
    ids=["at-once", "in-head", "in-body", "in-chunks", "after-interim", "no-http", "upgrade"],
)
def test_broken_answer(reply: bytes | Reply) -> None:
    """On a fresh connection every broken answer is a death at once, and nothing is sent again."""
    with upstream(reply) as (url, script):
        with pytest.raises(EngineDied, match="broke off"):
            post(url)
        assert len(script.requests) == 1


def test_compressed_answer() -> None:
    """Compression that nobody asked for is refused by its name."""
    with (
        upstream(OK.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")) as (url, _),
        pytest.raises(EngineAnswerInvalid, match="gzip"),
    ):
        post(url)


@pytest.mark.slow
def test_timeout() -> None:
    """An engine that hangs is given up after the configured time, and its connection with it."""
    with upstream(hang, OK) as (url, script):

        async def twice() -> Answer:
            engine = client(url, timeout=1)
            with pytest.raises(EngineTimeout, match="1 s"):
                await engine.get("/")
            engine._timeout = 20
            try:
                return await engine.get("/")
            finally:
                await engine.close()

        assert run(twice()) == GOOD
        assert script.opened == 2


def test_head_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that grows and grows is broken off at its bound."""
    monkeypatch.setattr(wire, "MOST_HEAD", 1000)
    with upstream(b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 100) as (url, _), pytest.raises(EngineDied):
        post(url)


def test_a_body_is_bounded_by_what_was_asked_for() -> None:
    """Of two vectors of four numbers a megabyte and a little may come, and not two."""
    assert http.most_of(2, 4) == http.WORDS + 2 * 4 * http.NUMBER
    with upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000)) as (url, _):

        async def ask(most: int) -> Answer:
            engine = client(url)
            try:
                return await engine.post("/embed", {}, most)
            finally:
                await engine.close()

        assert len(run(ask(http.most_of(2, 400_000))).body) == 2_000_000
        with pytest.raises(EngineGarbled, match="more than"):
            run(ask(http.most_of(2, 4)))


def test_an_idle_connection_keeps_no_answer() -> None:
    """It may stand idle for half a minute, and there may be many."""
    with upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(1000)) as (url, _):

        async def kept() -> list[bytes]:
            engine = client(url)
            try:
                await engine.get("/")
                return engine._idle[0]._body
            finally:
                await engine.close()

        assert run(kept()) == []


def test_body_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that grows and grows is broken off at its bound."""
    monkeypatch.setattr(wire, "MOST_BODY", 1000)
    with upstream(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(2000)) as (url, _), pytest.raises(EngineDied, match="more than"):
        post(url)


@pytest.mark.parametrize(
    "more",
    [b"noise", OK, OK[:-2], b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n"],
    ids=["noise", "second-answer", "part-of-one", "head-of-one"],
)
def test_more_than_one_answer(more: bytes) -> None:
    """What an engine sends beyond its answer is never taken for the answer to the next request."""
    with upstream(OK + more, OK.replace(b"good", b"next")) as (url, script):
        assert [GOOD, Answer(200, b"next")] == post(url, 2)
        assert script.opened == 2


def test_answer_before_the_request_is_out() -> None:
    """An answer that comes before all of a request has gone counts, but its connection is not used again."""
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\ngood"

    async def answered() -> tuple[Answer, list[asyncio.StreamWriter]]:
        asked: list[asyncio.StreamWriter] = []

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(writer)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(early)

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        engine = client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        big = {"input": "x" * 30_000_000}
        answer = await engine.post("/embed", big)
        assert answer == await engine.post("/embed", big)
        await engine.close()
        for writer in asked:
            writer.transport.abort()
        await _closed(server)
        return answer, asked

    answer, asked = run(answered())
    assert Answer(413, b"good") == answer
    assert len(asked) == 2


def test_stale_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request on a connection that the engine was just closing for its idleness goes out once more, on a new one."""
    monkeypatch.setattr(http, "IDLE", 0.0)
    with upstream(OK, then_close(b""), OK) as (url, script):
        assert post(url, 2) == [GOOD] * 2
        assert (len(script.requests), script.opened) == (3, 2)


def test_stale_connection_and_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no new connection can be made, the text may have ended the engine: it died, it was not down."""
    monkeypatch.setattr(http, "IDLE", 0.0)

    async def asked() -> None:
        async def serve_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"}")
            writer.write(OK)
            await reader.readuntil(b"}")
            server.close()
            writer.transport.abort()

        server = await asyncio.start_server(serve_once, "127.0.0.1", 0)
        engine = client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await engine.post("/embed", {})
        with pytest.raises(EngineDied):
            await engine.post("/embed", {})
        await engine.close()

    run(asked())


def test_idle_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was idle for longer than it is kept is closed before it is used."""
    monkeypatch.setattr(http, "KEPT", 0.0)
    with upstream(OK) as (url, script):
        assert post(url, 2) == [GOOD] * 2
        assert script.opened == 2


def test_cancelled() -> None:
    """A request that is given up takes its connection with it: its answer is nobody's."""
    with upstream(hang, OK) as (url, script):

        async def cancelled() -> Answer:
            engine = client(url)
            asking = asyncio.ensure_future(engine.get("/"))
            while not script.requests:  # noqa: ASYNC110 -- from another thread
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert not engine._open
            try:
                return await engine.get("/")
            finally:
                await engine.close()

        assert run(cancelled()) == GOOD
        assert script.opened == 2


def test_many_at_once() -> None:
    """Requests at once have a connection each, which later ones share; closing leaves none."""
    with upstream(OK) as (url, script):

        async def many() -> None:
            engine = client(url)
            for _ in range(2):
                assert await asyncio.gather(*(engine.post("/embed", {}) for _ in range(50))) == [GOOD] * 50
            assert len(engine._idle) <= 50
            await engine.close()
            assert not engine._idle
            assert not engine._open

        run(many())
        assert script.opened <= 50


def test_left_over_from_a_crowd() -> None:
    """Connections that only a crowd needed are closed once they were idle too long, though others are in use."""
    with upstream(OK) as (url, _):

        async def crowd_then_one() -> int:
            engine = client(url)
            await asyncio.gather(*(engine.get("/") for _ in range(10)))
            for idle in list(engine._idle)[:-1]:
                idle.idle_since -= http.KEPT + 1
            await engine.get("/")
            left = len(engine._idle)
            await engine.close()
            return left

        assert run(crowd_then_one()) == 1


@pytest.mark.process
def test_certificate_nobody_vouches_for(tmp_path: Path) -> None:
    """An engine with an unknown certificate is down, and the message says that the certificate is why."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]  # noqa: RUF005
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def asked() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        engine = client(f"https://localhost:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(EngineDown, match=r"(?i)certificate"):
            await engine.get("/")
        server.close()

    run(asked())


def test_ipv6() -> None:
    """An address in brackets is one of IPv6."""

    async def asked() -> Answer:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "::1", 0)
        engine = client(f"http://[::1]:{server.sockets[0].getsockname()[1]}")
        try:
            return await engine.get("/")
        finally:
            await engine.close()
            await _closed(server)

    assert run(asked()) == GOOD


def test_unix_socket() -> None:
    """A socket's path is an address like any other, whatever characters it has; the prefix goes with every path."""

    async def asked() -> None:
        heads: list[bytes] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError):
                while True:
                    heads.append(await reader.readuntil(b"\r\n\r\n"))
                    writer.write(OK)
            writer.close()

        with TemporaryDirectory() as folder:
            socket = Path(folder) / "a %41?#@é.sock"
            server = await asyncio.start_unix_server(answer, socket)
            engine = EngineClient(f"unix://{socket}", api_key="key", prefix="/hid", timeout=5, connect_timeout=2)
            assert await engine.get("/props") == await engine.get("/props") == GOOD
            assert heads[0] == heads[1]
            assert heads[0].startswith(b"GET /hid/props HTTP/1.1\r\nHost: localhost\r\n")
            assert b"Authorization: Bearer key\r\n" in heads[0]
            assert "hid" not in engine.url
            await engine.close()
            await _closed(server)

    run(asked())


def test_unix_socket_without_an_engine(tmp_path: Path) -> None:
    """Nobody there is an engine that is down, named by its path."""
    with pytest.raises(EngineDown, match=r"unix:///.*x\.sock"):
        post(f"unix://{tmp_path}/x.sock")


def test_port_zero() -> None:
    """A port that nobody can listen on is not taken for the usual one."""
    with pytest.raises(EngineDown, match=r"http://127\.0\.0\.1:0"):
        post("http://127.0.0.1:0")
    address = http.Address.of("https://host:0")
    assert address is not None
    assert address.port == 0
