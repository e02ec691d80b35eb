"""The server's side of HTTP: who has gone is noticed, offers of other protocols are declined, stalled heads end."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import uvicorn

from embedstack.bridge.listen import protocol
from embedstack.bridge.listen.protocol import HttpProtocol
from embedstack.bridge.request import Departure

OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEA\r\n"


class Echo:
    """Answers with the body; a request for /wait waits until it is let go."""

    def __init__(self) -> None:
        self.departures: list[Departure] = []
        self.gone: list[int] = []
        self.go = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        departure, number = scope["departure"], len(self.departures)
        departure.on_gone = lambda: self.gone.append(number)
        self.departures.append(departure)
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = b"".join(parts)
        while scope["path"] == "/wait" and not self.go.is_set() and not departure.gone:  # noqa: ASYNC110 -- from another thread
            await asyncio.sleep(0.01)
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def listening() -> Iterator[tuple[int, Echo]]:
    """The port of a server with the application, and that."""
    app = Echo()
    config = uvicorn.Config(app, loop="uvloop", http=HttpProtocol, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    door = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([door],))
    thread.start()
    yield door.getsockname()[1], app
    app.go.set()
    server.should_exit = True
    thread.join(10)
    door.close()


@pytest.fixture
def echo() -> Iterator[tuple[int, Echo]]:
    """A server of the test's own, since uvicorn takes 0.2 s to end."""
    with listening() as served:
        yield served


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """One for all that look at the answers alone."""
    with listening() as (port, _):
        yield port


def until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.005)


def connected(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def request(body: bytes, *, path: str = "/", more: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: h\r\n%bContent-Length: %d\r\n\r\n%b" % (path.encode(), more, len(body), body)


def answer(client: socket.socket, length: int) -> bytes:
    """The body of the answer, of so many bytes; less where the connection ends."""
    received = b""
    while len(received.partition(b"\r\n\r\n")[2]) < length and (chunk := client.recv(65536)):
        received += chunk
    assert received.startswith(b"HTTP/1.1 200 ")
    return received.partition(b"\r\n\r\n")[2]


def test_client_that_stays(echo: tuple[int, Echo]) -> None:
    """A client that has its whole answer and then goes has not left too early."""
    port, app = echo
    with connected(port) as client:
        client.sendall(request(b"body"))
        assert answer(client, 4) == b"body"
    with connected(port) as client:
        client.sendall(request(b"last"))
        assert answer(client, 4) == b"last"
    assert [departure.gone for departure in app.departures] == [False, False]
    assert not app.gone


def test_client_that_goes(echo: tuple[int, Echo]) -> None:
    """The application is informed once, at once, when the connection is lost before the answer."""
    port, app = echo
    with connected(port) as client:
        client.sendall(request(b"body", path="/wait"))
        until(lambda: app.departures)
    until(lambda: app.gone)
    assert app.gone == [0]
    assert app.departures[0].gone


def test_pipelining_client_that_goes(echo: tuple[int, Echo]) -> None:
    """Of several requests on one connection the one that is being answered is informed as well."""
    port, app = echo
    with connected(port) as client:
        client.sendall(request(b"one", path="/wait") + request(b"two", path="/wait"))
        until(lambda: app.departures)
    until(lambda: app.gone)
    assert app.departures[0].gone


def test_pipelined_requests(port: int) -> None:
    """Requests that were sent together are answered in order."""
    with connected(port) as client:
        client.sendall(request(b"one") + request(b"two"))
        assert answer(client, 3)[:3] == b"one"


@pytest.mark.parametrize("at", [1, *range(24, 130, 3)])
def test_offer_of_another_protocol(port: int, at: int) -> None:
    """An offered h2c is declined and the body read, wherever the network cuts the request in two."""
    body = b"x\r\nUpgrade: y\r\nupgrade: z"
    whole = request(body, more=OFFER)
    with connected(port) as client:
        client.sendall(whole[:at])
        time.sleep(0.002)  # only so that the two pieces come as two; the answer is the same if they do not
        client.sendall(whole[at:])
        assert body == answer(client, len(body))


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 9])
def test_body_that_looks_like_an_offer(port: int, cut: int) -> None:
    """No byte of a body changes, also where its head's last line end comes in pieces."""
    body = b"\r\nUpgrade: h2c\r\nupgrade: more"
    whole = request(body)
    at = whole.index(b"\r\n\r\n") + cut
    with connected(port) as client:
        client.sendall(whole[:at])
        time.sleep(0.002)
        client.sendall(whole[at:])
        assert body == answer(client, len(body))


PART, BLANK = b"POST / HTTP/1.1\r\nHost: h\r\n", b"\r\n"


@pytest.mark.parametrize(
    ("first", "used"), [(b"", False), (PART, False), (BLANK, False), (PART, True), (BLANK, True)]
)  # a used one that sends nothing has uvicorn's own bound
def test_stalled_head(echo: tuple[int, Echo], monkeypatch: pytest.MonkeyPatch, first: bytes, used: bool) -> None:
    """A connection on which no whole head arrives in time is closed, a new one as well as one that has served."""
    port, _ = echo
    if not used:
        monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.2)
    with connected(port) as client:
        if used:
            client.sendall(request(b"body"))
            assert answer(client, 4) == b"body"
            monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.2)
        client.sendall(first)
        assert client.recv(100) == b""


def test_stalled_head_behind_a_slow_answer(echo: tuple[int, Echo], monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is being made still goes out, though the head after it has stalled."""
    port, app = echo
    with connected(port) as client:
        client.sendall(request(b"slow", path="/wait"))
        until(lambda: app.departures)
        monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.1)
        client.sendall(b"POST / HT")
        client.settimeout(0.4)
        with suppress(TimeoutError):
            assert client.recv(1)
            pytest.fail("closed or answered too early")
        client.settimeout(20)
        app.go.set()
        assert answer(client, 4) == b"slow"


def test_head_without_end(echo: tuple[int, Echo]) -> None:
    """A head beyond all bounds is refused before its end."""
    port, _ = echo
    with connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\n" + b"X-More: and more\r\n" * 4000)
        assert client.recv(100).startswith(b"HTTP/1.1 431 ")


LARGE = bytes(16 * 2**20)  # beyond what the system itself buffers for a connection


def reading_little(port: int) -> socket.socket:
    """A client whose system takes little before it does itself."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    return client


def test_client_that_stops_reading(
    echo: tuple[int, Echo], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that stays connected and takes nothing of its answer is cut off, and who it was is reported."""
    monkeypatch.setattr(HttpProtocol, "answer_timeout", 0.2)
    port, _ = echo
    with reading_little(port) as client:
        client.sendall(request(LARGE))
        until(lambda: "127.0.0.1 took nothing of its answer for 0.2 s" in caplog.text)
        with suppress(ConnectionResetError):
            assert len(answer(client, len(LARGE))) < len(LARGE)


@pytest.mark.thorough
def test_client_that_reads_slowly(echo: tuple[int, Echo], monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone who takes some in time gets all, however long that lasts."""
    monkeypatch.setattr(HttpProtocol, "answer_timeout", 1.5)
    port, _ = echo
    began, received = time.monotonic(), 0
    with reading_little(port) as client:
        client.sendall(request(LARGE))
        while received < len(LARGE):
            received += len(client.recv(2**16)) or len(LARGE)
            time.sleep(0.03)  # what makes it slow

    assert len(LARGE) < received < len(LARGE) + 1000  # the head, and no early end
    assert time.monotonic() - began > 1.5
