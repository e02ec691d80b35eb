"""The embedded engine and who reaches it: the bridge, and nothing else on this machine. What listens at a socket is the
engine as llama.cpp's server; by the C API it has no address at all.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from embedstack.bridge.backends.base import Call, Embedded
from embedstack.bridge.backends.llama_server import ServerEngine
from embedstack.bridge.backends.own import Loading
from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import Bridge, bridge
from tests.upstreams.load import wait_until

# Every route of llama.cpp's server, with what would be answered where nothing guards it.
TEXT = {"input": ["one text"], "content": "one text", "model": "demo"}
CHAT = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
PROMPT = {"prompt": "Hi", "n_predict": 1, "max_tokens": 1}
ROUTES: list[tuple[str, str, object]] = [
    *(("GET", path, None) for path in ("/", "/index.html", "/health", "/v1/health", "/metrics", "/props", "/slots")),
    *(("GET", path, None) for path in ("/models", "/v1/models", "/api/tags", "/lora-adapters")),
    *(("GET", path, None) for path in ("/cors-proxy", "/tools")),
    *(("POST", path, PROMPT) for path in ("/completion", "/completions", "/v1/completions", "/infill")),
    *(("POST", path, CHAT) for path in ("/chat/completions", "/v1/chat/completions", "/api/chat", "/apply-template")),
    *(("POST", path, CHAT) for path in ("/v1/responses", "/v1/messages", "/v1/messages/count_tokens")),
    *(("POST", path, TEXT) for path in ("/embedding", "/embeddings", "/v1/embeddings", "/tokenize", "/api/show")),
    *(("POST", path, {"query": "a", "documents": ["b"]}) for path in ("/rerank", "/reranking", "/v1/rerank")),
    *(("POST", path, {"tokens": [1]}) for path in ("/detokenize", "/props", "/lora-adapters")),
    *(("POST", path, {}) for path in ("/slots/0?action=erase", "/models/load", "/models/unload")),
    ("OPTIONS", "/v1/embeddings", None),
]
# A program of the same user, which can open the folder: it has neither the key nor the path.
INTRUDER = """
import json, socket, sys
path, origin, routes = json.load(sys.stdin)
for method, route, body in routes:
    sent = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {route} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\nAccept-Encoding: gzip\\r\\n"
    head += f"Content-Type: application/json\\r\\nContent-Length: {len(sent)}\\r\\n"
    head += f"Origin: {origin}\\r\\n" if origin else ""
    with socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(20)
        engine.connect(path)
        engine.sendall(head.encode() + b"\\r\\n" + sent)
        answer = b""
        while piece := engine.recv(65536):
            answer += piece
    print(json.dumps([method, route, int(answer.split()[1]), len(answer.partition(b"\\r\\n\\r\\n")[2])]), flush=True)
"""


def run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def engine_of(running: Bridge) -> psutil.Process:
    [child] = psutil.Process(running.pid).children(recursive=True)
    return child


def socket_of(engine: psutil.Process) -> Path:
    """Where the engine listens."""
    found = {Path(one.laddr) for one in engine.net_connections("unix") if str(one.laddr).endswith(".sock")}
    [path] = found
    return path


def listening(process: psutil.Process) -> list[int]:
    """The TCP ports that a process listens on."""
    found = process.net_connections("tcp")
    return [one.laddr.port for one in found if one.status == psutil.CONN_LISTEN]


def test_the_engine_listens_on_no_port(bridge: Bridge) -> None:
    """The bridge has its one port, and of the processes below it none has any."""
    bridge.embed("The engine is there.")
    assert [int(bridge.url.rpartition(":")[2])] == listening(psutil.Process(bridge.pid))
    assert listening(engine_of(bridge)) == []


def test_the_socket_is_for_this_user_alone(server: Bridge) -> None:
    """The folder 0700 and the socket 0600, whatever the umask."""
    socket = socket_of(engine_of(server))
    for path, mode in ((socket.parent, 0o700), (socket, 0o600)):
        status = path.stat()
        assert (mode, os.geteuid()) == (stat.S_IMODE(status.st_mode), status.st_uid)
    assert socket.is_socket()


@pytest.mark.parametrize("origin", ["", "https://elsewhere.example", "http://localhost:3000", "null"])
def test_no_route_answers_a_program_that_opens_the_socket(server: Bridge, origin: str) -> None:
    """Every route of llama.cpp's server, asked by another process of the same user: refused or not there."""
    ask = json.dumps([str(socket_of(engine_of(server))), origin, ROUTES])
    done = subprocess.run(
        [sys.executable, "-P", "-c", INTRUDER], input=ask, capture_output=True, text=True, timeout=120, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(ROUTES) == len(answers)
    # A preflight is answered 200 with nothing in it, and lets a page do nothing: no page can open a socket.
    assert [one for one in answers if one[2] not in (401, 404) and one[0] != "OPTIONS"] == []
    assert [one for one in answers if one[0] == "OPTIONS" and one[3]] == []
    assert len(server.embed("The bridge is still served.")[0]) == 2560


@pytest.fixture(scope="module")
def server() -> Iterator[Bridge]:
    """A bridge whose embedded engine is llama.cpp's server."""
    with bridge("--demo", "--set", "engine.threads=1", "--set", "engine.interface=server") as running:
        yield running


def backend(demo: DemoFiles) -> ServerEngine:
    return ServerEngine(Loading(demo.gguf, model="demo", eos_id=0, context=512, threads=1, timeout=30))


async def embedded(engine: ServerEngine, text: str) -> Embedded:
    return await engine.embed([text], as_float=False, call=Call())


def test_nothing_but_the_bridge_reaches_the_engine_by_the_c_api(bridge: Bridge) -> None:
    """It listens nowhere: its one connection is an end of a pair without a name, which it inherited."""
    bridge.embed("The engine is there.")
    engine = engine_of(bridge)
    assert [one for one in engine.net_connections("all") if one.laddr or one.raddr] == []


def test_nobody_can_read_the_key(demo: DemoFiles) -> None:
    """Neither the command line nor the environment of the engine holds what its callers must know."""

    async def looked_at() -> None:
        engine = backend(demo)
        try:
            await engine.start()
            assert (await embedded(engine, "a text")).vectors.shape == (1, 2560)
            process = psutil.Process(engine.pid)
            shown = " ".join([*process.cmdline(), *process.environ().values(), (await engine._serving()).name])
            assert engine._access["key"]
            assert engine._access["prefix"]
            assert engine._access["key"] not in shown
            assert engine._access["prefix"] not in shown
        finally:
            await engine.close()
        assert not Path(engine._access["socket"]).parent.exists()

    run(looked_at())


def test_an_engine_that_was_killed_leaves_no_socket(demo: DemoFiles) -> None:
    """The next has a socket and a key of its own, and the last one's are gone."""

    async def killed() -> None:
        engine = backend(demo)
        try:
            await engine.start()
            first = engine._access
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGKILL)
            async with asyncio.timeout(20):
                while engine._access is first:  # noqa: ASYNC110 -- another process
                    await asyncio.sleep(0.01)
            assert (await embedded(engine, "a text")).vectors.shape == (1, 2560)
            second = engine._access
            assert [Path(second["socket"])] == list(Path(first["socket"]).parent.iterdir())
            assert not {*first.values()} & {*second.values()}
        finally:
            await engine.close()

    run(killed())


def test_a_folder_that_somebody_tidied_away_is_made_again(demo: DemoFiles) -> None:
    """The next look at the engine starts it in another folder, as private as the first."""

    async def tidied() -> None:
        engine = backend(demo)
        try:
            await engine.start()
            before = await embedded(engine, "a text")
            first = Path(engine._access["socket"]).parent
            shutil.rmtree(first)
            await engine.start()
            assert (before.vectors == (await embedded(engine, "a text")).vectors).all()
            second = Path(engine._access["socket"]).parent
            assert second != first
            assert stat.S_IMODE(second.stat().st_mode) == 0o700
        finally:
            await engine.close()
        assert not second.exists()

    run(tidied())


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """pytest's own are too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="alone-") as folder:
        yield Path(folder)


@pytest.mark.usefixtures("demo")
def test_nothing_remains_of_a_bridge_that_was_killed(short_folder: Path) -> None:
    """Its engine cleans up behind it; where that is killed too, the next bridge does."""
    start = ("--demo", "--set", "engine.threads=1", "--set", "engine.interface=server")
    with bridge(*start, env={"TMPDIR": str(short_folder)}) as running:
        engine = engine_of(running)
        engine.suspend()  # so that it cannot clean up
        os.kill(running.pid, signal.SIGKILL)
        engine.kill()
        wait_until(lambda: not engine.is_running(), within=20, what="the engine has ended")
        assert len(sockets(short_folder)) == 1
    with bridge(*start, env={"TMPDIR": str(short_folder)}) as running:
        assert [socket_of(engine_of(running))] == sockets(short_folder)
        os.kill(running.pid, signal.SIGKILL)
        wait_until(lambda: not list(short_folder.iterdir()), within=20, what="the engine has cleaned up")


def sockets(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return list(folder.glob("*/*.sock"))
    return []
