"""Proxies, addresses, limits."""

from __future__ import annotations

import socket

import pytest

from embedstack.deploy.doctor import network
from embedstack.deploy.doctor.network import Descriptors
from tests.unit.deploy.doctor.stacks import OLLAMA, daemon, planned, reported

PROXY = {"HTTP_PROXY": "http://user:word@proxy:3128"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, False),
        (PROXY, True),
        ({"all_proxy": "socks5://proxy:1080"}, True),
        ({**PROXY, "NO_PROXY": "example.org"}, True),
        ({**PROXY, "NO_PROXY": "localhost"}, True),
        ({**PROXY, "NO_PROXY": "localhost, 127.0.0.1"}, False),
        ({**PROXY, "no_proxy": "*"}, False),
    ],
)
def test_a_proxy_must_leave_this_machine_alone(environ: dict[str, str], expected: bool) -> None:
    """HTTP_PROXY without NO_PROXY for loopback is a warning."""
    assert reported(network.check_proxy(environ)) == ([("PROXY-LOOPBACK", "warning")] if expected else [])


def test_a_proxys_password_is_not_reported() -> None:
    """The variable is named, and never its value."""
    (found,) = network.check_proxy(PROXY)
    assert "word" not in str(found)


@pytest.mark.parametrize(
    ("mode", "managed", "addresses", "system", "expected"),
    [
        ("docker", False, ["127.0.0.1"], "Debian GNU/Linux 12", True),
        ("docker", False, ["127.0.0.1", "::1"], "Debian GNU/Linux 12", True),
        ("docker", False, ["0.0.0.0"], "Debian GNU/Linux 12", False),  # noqa: S104 -- what it was found to listen on
        ("docker", False, [], "Debian GNU/Linux 12", False),
        ("docker", False, ["127.0.0.1"], "Docker Desktop", False),
        ("docker", True, ["127.0.0.1"], "Debian GNU/Linux 12", False),
        ("native", False, ["127.0.0.1"], "Debian GNU/Linux 12", False),
    ],
)
def test_an_ollama_that_containers_cannot_reach(
    mode: str, managed: bool, addresses: list[str], system: str, expected: bool
) -> None:
    """An Ollama outside, on loopback alone, is a blocker in containers; Docker Desktop hands loopback on."""
    stack = planned(mode="docker" if mode == "docker" else "native", managed=managed, url=OLLAMA)
    found = reported(network.check_reach(stack, addresses, daemon(os=system)))
    assert found == ([("OLLAMA-LOOPBACK", "blocker")] if expected else [])


def test_who_listens_is_seen() -> None:
    """The address of a socket of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert network.listening(server.getsockname()[1]) == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("soft", "hard", "expected"), [(1024, 1_048_576, False), (1024, 4096, False), (256, 1024, True)]
)
def test_the_hard_limit_counts(soft: int, hard: int, expected: bool) -> None:
    """The bridge raises the soft one itself."""
    assert reported(network.check_limits(Descriptors(soft, hard))) == (
        [("DESCRIPTORS-LOW", "warning")] if expected else []
    )


def test_this_machines_limits_are_read() -> None:
    """Numbers, also where there is no limit."""
    found = network.look()
    assert 0 < found.soft <= found.hard
