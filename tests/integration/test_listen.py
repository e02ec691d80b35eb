"""`embed-bridge` where it cannot listen: what happened, why, what to do, exit status 3; and what is advised works."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from embedstack.bridge.listen import serve as address
from embedstack.bridge.listen.serve import ListenError
from embedstack.bridge.settings.structs import Listen
from tests.bridge_process import bridge
from tests.followed import Said

EMBED_BRIDGE = (sys.executable, "-m", "embedstack.bridge", "--demo")


def _refused(*words: str) -> str:
    done = subprocess.run([*EMBED_BRIDGE, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("embed-bridge: ")]
    assert len(said) == 1
    return said[0]


def test_a_taken_port_is_reported_and_the_one_that_is_advised_works() -> None:
    """Not the operating system's number for it: the address, why, how to find who has it, and a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = _refused("--listen", f"127.0.0.1:{port}")
        advised = Said(3, said).advised("listen elsewhere: `--listen 77`").words("--listen")
        host, _, free = advised[1].rpartition(":")
        with socket.create_server((host, int(free))):
            pass

    assert f"cannot listen on 127.0.0.1:{port}: another program listens there." in said
    assert f"sport = :{port}" in said


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("203.0.113.1:11435", "it is not an address of this machine."),
        ("[2001:db8::1]:11435", "it is not an address of this machine."),
        ("no-such-host.invalid:11435", "nobody knows that name"),
    ],
)
def test_an_address_of_elsewhere_is_reported(given: str, why: str) -> None:
    """Which one, and one that works."""
    said = _refused("--listen", given)
    if "`" in said:
        for _, address in Said(3, said).advised("Name one that is: `--listen 77`").choices():
            with socket.create_server((address.rpartition(":")[0], 0)):
                pass

    assert f"The bridge cannot listen on {given}: {why}" in said
    assert "127.0.0.1" in said.partition(why)[2]


@pytest.mark.parametrize("given", ["127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http", "127.0.0.1:"])
def test_a_port_that_is_none_is_a_setting_that_cannot_be_used(given: str) -> None:
    """Exit status 2, as every other wrong setting; the flag and the value are named."""
    done = subprocess.run([*EMBED_BRIDGE, "--listen", given], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "--listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_privileged_port_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one that every user may have."""

    def refused(*_: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(address, "_listening", refused)
    monkeypatch.setattr(address, "_least", lambda: 1024)

    with pytest.raises(ListenError, match=r"127\.0\.0\.1:80: ports below 1024 are the system administrator's"):
        address.sockets(Listen(port=80), 1)


def test_a_name_with_several_addresses_is_listened_on_at_each() -> None:
    """`localhost` is 127.0.0.1 and, where the machine has it, ::1: one port for all, also where any will do."""
    opened = address.sockets(Listen(host="localhost", port=0), 1)
    try:
        wanted = {info[4][0] for info in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
        assert {one.getsockname()[0] for one in opened} == wanted
        assert len({one.getsockname()[1] for one in opened}) == 1
    finally:
        for one in opened:
            one.close()


def test_what_is_open_is_closed_where_another_address_is_refused() -> None:
    """A refusal leaves no port taken."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(ListenError):
        address.sockets(Listen(port=other.getsockname()[1]), 1)


def test_the_log_says_where_it_listens() -> None:
    """Which is how one learns the port where any will do."""
    with bridge("--demo", "--set", "engine.threads=1") as running:
        assert f"listening on {running.url}" in running.log.read_text()
