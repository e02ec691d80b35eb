"""A client that leaves is noticed at once, however its request came: nothing is computed for it, nothing stays open."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil
import pytest
import requests

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import Bridge
from tests.integration.doors import BARE, EMBED, LEGACY, OPENAI, Door
from tests.upstreams import faults
from tests.upstreams.apis import OllamaApi
from tests.upstreams.chat import Endless
from tests.upstreams.front import Front, fronted
from tests.upstreams.llama import llama_child
from tests.upstreams.load import wait_until
from tests.upstreams.server import serve

WITHIN = 5.0  # seconds; a client that is not noticed is not noticed for minutes
CHAT = Door("/api/chat")
KIB = 1024


@dataclass(frozen=True)
class Waiting:
    """A bridge whose engine takes requests and never answers, and whose chat is silent: anyone who asks waits."""

    front: Front
    chat: Endless

    @property
    def bridge(self) -> Bridge:
        return self.front.bridge

    def has(self, case: Case) -> bool:
        """Whether the request has got to where it waits."""
        if case.door is CHAT:
            return self.chat.began.is_set()
        return queued(self.bridge) > 0


@pytest.fixture(scope="module")
def waiting(demo: DemoFiles) -> Iterator[Waiting]:
    chat = Endless(silent=True)
    with (
        llama_child(demo.gguf, model="demo") as real,
        serve(chat) as chatting,
        fronted(real, OllamaApi(), "--set", "engine.timeout=600", "--set", f"passthrough.ollama={chatting}") as front,
    ):
        yield Waiting(front, chat)
        assert "Traceback" not in front.bridge.log.read_text(errors="replace")


def queued(running: Bridge) -> float:
    lines = requests.get(f"{running.url}/metrics", timeout=WITHIN).text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("embed_bridge_queue_texts{"))


def gone(running: Bridge, door: Door) -> int:
    return running.log.read_text(errors="replace").count(f"POST {door.path} 499 ")


def half_closed(running: Bridge) -> list[object]:
    return [one for one in psutil.Process(running.pid).net_connections("tcp") if one.status == psutil.CONN_CLOSE_WAIT]


# --- how a body arrives ---------------------------------------------------------------------------------------------


def whole(client: socket.socket, head: str, body: bytes) -> None:
    client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def head_alone_first(client: socket.socket, head: str, body: bytes) -> None:
    client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
    time.sleep(0.002)  # only so that they are likely to come as two
    client.sendall(body)


def dribbled(client: socket.socket, head: str, body: bytes) -> None:
    """All but the last piece in small ones."""
    client.sendall(f"{head}Content-Length: {len(body) + 300}\r\n\r\n".encode())
    for _ in range(3):
        client.sendall(b" " * 100)
        time.sleep(0.001)
    client.sendall(body)


def chunked(client: socket.socket, head: str, body: bytes) -> None:
    client.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"1\r\n \r\n")
    client.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


def expecting(client: socket.socket, head: str, body: bytes) -> None:
    client.sendall(f"{head}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    assert client.recv(100).startswith(b"HTTP/1.1 100 ")
    client.sendall(body)


def pipelined(client: socket.socket, head: str, body: bytes) -> None:
    """With another behind it, more than is read ahead and less than what the system itself takes beside that."""
    whole(client, head, body)
    whole(client, head, bytes(100 * KIB))


ARRIVALS = (whole, head_alone_first, dribbled, chunked, expecting, pipelined)


def finish(client: socket.socket) -> None:
    client.close()


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def shut_down(client: socket.socket) -> None:
    """Ends its sending and would read on; as to Ollama, that is leaving."""
    client.shutdown(socket.SHUT_WR)
    with suppress(ConnectionError):
        assert client.recv(100) == b""


@dataclass(frozen=True)
class Case:
    door: Door
    arrival: Callable[[socket.socket, str, bytes], None]
    size: int
    leaving: Callable[[socket.socket], None]

    @property
    def id(self) -> str:
        return "-".join((self.door.path, self.arrival.__name__, f"{self.size // KIB} KiB", self.leaving.__name__))


CASES = (
    *(
        Case(EMBED, arrival, size * KIB, leaving)
        for arrival in ARRIVALS
        for size in (1, 63, 65, 200, 1024)
        for leaving in (finish, reset)
    ),
    *(
        Case(door, arrival, size * KIB, leaving)
        for door in (OPENAI, BARE, LEGACY, CHAT)
        for arrival, size in ((whole, 65), (chunked, 200), (dribbled, 1024))
        for leaving in (finish, reset)
    ),
    *(Case(door, whole, 200 * KIB, shut_down) for door in (EMBED, OPENAI, CHAT)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_client_that_leaves_is_noticed(waiting: Waiting, case: Case) -> None:
    """The queue is empty, the log has its 499, and no socket is left half open."""
    running = waiting.bridge
    waiting.front.upstream.play(then=faults.hang)
    waiting.chat.began.clear()
    host, port = running.url.removeprefix("http://").split(":")
    texts = [f"{case.id} {n}" for n in range(9)]
    fields = case.door.body(texts if case.door.many else texts[0])
    body = json.dumps({**fields, "pad": ""}).encode()
    body = body[:-2] + b"x" * max(0, case.size - len(body)) + body[-2:]
    before = gone(running, case.door)

    client = socket.create_connection((host, int(port)), timeout=20)
    with client:
        case.arrival(client, f"POST {case.door.path} HTTP/1.1\r\nHost: localhost\r\n", body)
        wait_until(lambda: waiting.has(case), within=WITHIN, what="it waits")
        case.leaving(client)

    wait_until(lambda: gone(running, case.door) == before + 1, within=WITHIN, what="its 499")
    wait_until(lambda: not queued(running), within=WITHIN, what="an empty queue")
    wait_until(lambda: not half_closed(running), within=WITHIN, what="its socket closed")
