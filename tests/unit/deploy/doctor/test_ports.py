"""Ports that somebody has."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from embedstack.deploy.doctor import ports
from embedstack.deploy.doctor.neighbours import Neighbour, Owner, whose
from embedstack.deploy.doctor.ports import Held
from embedstack.deploy.machine.ports import free_port
from embedstack.deploy.sites.docker import Docker
from embedstack.deploy.sites.native import Native
from tests.unit.deploy.doctor.stacks import planned, reported

LISTEN = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(sys.argv[1].encode())
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that answers every request with the parameter, and its port."""
    argv = [sys.executable, "-c", LISTEN, request.param]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def test_a_free_port_is_nobodys() -> None:
    """Nothing is held."""
    assert None is ports.look("bridge", "ports.bridge", free_port())


@pytest.mark.process
@pytest.mark.parametrize("listener", ["no JSON"], indirect=True)
def test_a_taken_port_names_the_process_and_the_setting(listener: tuple[subprocess.Popen[str], int]) -> None:
    """Whose it is, how to stop it, and what to set instead."""
    process, port = listener
    held = ports.look("open-webui", "ports.webui", port)

    assert held is not None
    (found,) = ports.check(held, Native())
    assert (found.id, found.severity) == ("PORT-TAKEN", "blocker")
    assert f"Port {port} is held by python" in found.evidence
    assert f"(process {process.pid})" in found.evidence
    assert f"`kill {process.pid}`" in found.next_step


def test_the_ports_that_are_advised_are_free_and_nobody_elses() -> None:
    """One command for all that are taken; no port of another part, nor one that another stack is to have."""
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        given = {"ports": {"bridge": port, "webui": 80, "bridge_bf16": port + 1}}
        held = [
            Held("bridge", "ports.bridge", port),
            Held("open-webui", "ports.webui", 80, refused="Permission denied"),
        ]
        other = Neighbour("other", frozenset({3000, port + 2}))

        reported = ports.with_free(held, planned(given), [other])

    words = dict(word.removeprefix("--set ").split("=") for word in re.findall(r"--set \S+", reported[0].free))
    assert reported[0].free == reported[1].free
    assert {*words} == {"ports.bridge", "ports.webui"}
    assert int(words["ports.bridge"]) > port + 2
    assert int(words["ports.webui"]) > 3000
    for free in words.values():
        socket.create_server(("127.0.0.1", int(free))).close()


def test_another_stack_is_named_and_never_killed() -> None:
    """Its supervisor would start the part again: it is stopped as a whole, or this one gets other ports."""
    held = Held(
        "bridge", "ports.bridge", 11435, (7, 5, 1), "python -m embedstack.bridge", free="--set ports.bridge=11500"
    )
    near, far = replace(held, owner=Owner("one")), replace(held, owner=Owner("one", "/srv/home"))

    (found,), (other,) = ports.check(near, Native()), ports.check(far, Native())

    assert found.evidence == "Port 11435 is held by the stack one: python -m embedstack.bridge (process 7)."
    assert "`embedstack up --set ports.bridge=11500`" in found.next_step
    assert "`embedstack down --stack one`" in found.next_step
    assert "kill" not in found.next_step
    assert "the stack one of /srv/home" in other.evidence
    assert other.next_step.endswith("`embedstack down --stack one` with EMBEDSTACK_HOME=/srv/home.")


def test_whose_a_port_is() -> None:
    """By its process or one that started it; in containers, where the daemon has it, by the port."""
    native = Neighbour("native", frozenset({1}), frozenset({10, 20}))
    docker = Neighbour("docker", frozenset({2}), containers=True)

    assert whose([99, 20], "python -m embedstack.bridge", 5, [docker, native]) == Owner("native")
    assert whose([], "", 2, [native, docker]) == Owner("docker")
    assert whose([99], "docker-proxy", 2, [native, docker]) == Owner("docker")
    assert whose([99], "redis-server", 2, [native, docker]) is None
    assert whose([], "", 1, [native, docker]) is None


@pytest.mark.process
@pytest.mark.parametrize("listener", ["no JSON"], indirect=True)
def test_a_process_of_the_stack_is_in_nobodys_way(listener: tuple[subprocess.Popen[str], int]) -> None:
    """Neither the process itself nor a child of one."""
    process, port = listener
    held = ports.look("bridge", "ports.bridge", port)

    assert held is not None
    assert reported(ports.check(held, Native(), own_pids=[process.pid])) == []
    assert reported(ports.check(held, Native(), own_pids=[os.getpid()])) == []
    assert reported(ports.check(held, Native(), own_ports=[port])) == []


@pytest.mark.process
@pytest.mark.parametrize(
    ("listener", "expected"),
    [
        ('{"version": "0.34.4"}', ("PORT-OLLAMA", "blocker")),
        ('{"version": "0.34.4", "bridge": "0.1.0"}', ("PORT-TAKEN", "blocker")),
    ],
    indirect=["listener"],
)
def test_an_ollama_is_an_offer_and_a_bridge_is_none(
    listener: tuple[subprocess.Popen[str], int], expected: tuple[str, str]
) -> None:
    """A bridge answers as Ollama does, and says that it is one."""
    held = ports.look("ollama", "ports.ollama", listener[1])

    assert held is not None
    assert [expected] == reported(ports.check(held, Native()))


def test_containers_get_another_port_and_processes_the_offer() -> None:
    """A container cannot reach an Ollama on loopback; natively it can be used as it is."""
    held = Held("ollama", "ports.ollama", 11434, ollama="0.34.4", free="--set ports.ollama=11500")
    (docker,) = ports.check(held, Docker())
    (native,) = ports.check(held, Native())

    assert docker.next_step.startswith("`embedstack up --set ports.ollama=11500`")
    assert "engine.url" not in docker.next_step
    assert "engine.url=http://127.0.0.1:11434" in native.next_step
    assert "unset OLLAMA_HOST" in native.next_step


@pytest.mark.process
@pytest.mark.parametrize("listener", ['{"version": "0.34.4"}'], indirect=True)
def test_an_ollama_on_another_parts_port_is_in_the_way(listener: tuple[subprocess.Popen[str], int]) -> None:
    """It is no use to Open WebUI."""
    held = ports.look("open-webui", "ports.webui", listener[1])

    assert held is not None
    assert reported(ports.check(held, Native())) == [("PORT-TAKEN", "blocker")]


def test_a_port_that_the_system_refuses() -> None:
    """What it says is reported."""
    (found,) = ports.check(Held("bridge", "ports.bridge", 80, refused="Permission denied"), Native())
    assert (found.id, found.severity, found.evidence) == ("PORT-REFUSED", "blocker", "Port 80: Permission denied.")


def test_a_holder_that_nobody_tells() -> None:
    """Another user's process is reported as one, with the command that finds it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (found,) = ports.check(Held("bridge", "ports.bridge", port), Native())
    assert f"sport = :{port}" in found.next_step


@pytest.mark.parametrize(
    ("given", "kind", "managed", "parts"),
    [
        ({}, "ollama", True, ["bridge", "ollama", "open-webui"]),
        ({}, "ollama", False, ["bridge", "open-webui"]),
        ({"webui": {"enabled": False}}, "embedded", True, ["bridge"]),
        ({"vllm": {"beside": True}}, "ollama", False, ["bridge", "vllm", "bridge-bf16", "open-webui"]),
    ],
)
def test_only_ports_that_the_stack_will_use(
    given: dict[str, object], kind: str, managed: bool, parts: list[str]
) -> None:
    """A part that is not there asks for no port."""
    assert parts == [part for part, _, _ in ports.wanted(planned(given, kind=kind, managed=managed))]
