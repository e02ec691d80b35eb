"""More connections than files may be open: they wait their turn, nobody is reset, and the log says what to do."""

import socket
from contextlib import ExitStack

import requests

from tests.bridge_process import Bridge, bridge
from tests.engines.process import free_port
from tests.upstreams.load import wait_until

FILES, CLIENTS = 100, 150
LIVE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def said(running: Bridge) -> list[str]:
    lines = running.log.read_text(errors="replace").splitlines()
    return [line for line in lines if "connections are open, as many as the limit of 100 open files allows" in line]


def test_connections_beyond_the_limit_of_open_files_wait() -> None:
    """Each of 150 idle ones gets its answer once others have closed; one line says so, and how to raise the limit."""
    settings = ("--upstream", f"http://127.0.0.1:{free_port()}", "--set", "model.id=demo")
    with bridge(*settings, wait_ready=False, most_files=FILES) as running, ExitStack() as stack:
        address = ("127.0.0.1", int(running.url.rpartition(":")[2]))
        clients = [stack.enter_context(socket.create_connection(address, timeout=30)) for _ in range(CLIENTS)]
        for client in clients:
            client.sendall(LIVE)
        wait_until(lambda: said(running), within=20, what="the log says so")
        for client in clients:
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            client.close()

        assert requests.get(f"{running.url}/healthz", timeout=20).status_code == 200
        (line,) = said(running)
        assert "Raise the limit (`ulimit -n`, or LimitNOFILE= in a systemd unit)" in line
        assert "Traceback" not in running.log.read_text(errors="replace")
