"""The checks together, before `up` and in `doctor`."""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from embedstack.deploy import console as result
from embedstack.deploy.console import Report
from embedstack.deploy.doctor import disk, examine
from embedstack.deploy.doctor.examine import CHECKS, Subject
from embedstack.deploy.doctor.finding import Finding, worst_first
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.errors import Blocked, DeployError, PartNotReady
from embedstack.deploy.machine.gpu import Gpus
from embedstack.deploy.places import HOME_VARIABLE, Places
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.settings import Settings
from embedstack.deploy.stack import diagnose as command
from embedstack.deploy.stack.diagnose import Diagnosis
from embedstack.deploy.state import PartState
from tests.unit.deploy.doctor.stacks import CARD, planned, reported


def _finding(id_: str, severity: str) -> Finding:
    return msgspec.convert(
        dict.fromkeys(("title", "evidence", "impact", "next_step"), "x") | {"id": id_, "severity": severity}, Finding
    )


def _ports() -> dict[str, int]:
    """Free ones, all different: each is held until the last is drawn."""
    names = ("bridge", "bridge_bf16", "ollama", "vllm", "webui")
    with ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        return {name: server.getsockname()[1] for name, server in zip(names, servers, strict=True)}


def _demo(**ports: int) -> Plan:
    """A stack without a blocker but what is given."""
    given = {"webui": {"enabled": False}, "ports": _ports() | ports}
    return planned(given, model="demo", kind="embedded", url=None)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(Places(tmp_path), environ={"HF_HUB_CACHE": str(tmp_path / "hub")})


def test_the_worst_comes_first_and_only_once() -> None:
    """Blockers, warnings, notes; within one as they were found."""
    given = [
        _finding("A-A", "note"),
        _finding("B-B", "blocker"),
        _finding("C-C", "warning"),
        _finding("B-B", "blocker"),
    ]
    assert [finding.id for finding in worst_first(given)] == ["B-B", "C-C", "A-A"]


def test_a_good_machine_has_no_finding(machine: Machine) -> None:
    """All checks run, and nothing blocks."""
    found = examine.examine(_demo(), machine)

    assert found.findings == ()
    assert found.checked == tuple(check.name for check in CHECKS)


@pytest.mark.parametrize(
    ("error", "evidence"),
    [
        (RuntimeError("odd"), "RuntimeError: odd."),
        (PartNotReady("Open WebUI gave no answer.", "Wait."), "Open WebUI gave no answer."),
    ],
)
def test_a_check_that_fails_is_a_finding(
    error: Exception, evidence: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on."""

    def fails(_: Plan, __: Machine) -> list[Finding]:
        raise error

    monkeypatch.setattr(examine, "CHECKS", (Subject("oddity", fails), *CHECKS))
    found = examine.examine(_demo(), machine)

    (failed,) = found.findings
    assert (failed.id, failed.severity, failed.evidence) == ("CHECK-FAILED", "warning", evidence)
    assert len(found.checked) == len(CHECKS) + 1
    assert isinstance(error, DeployError) is (failed.next_step == "Wait.")


def test_a_taken_port_stops_up_with_its_next_step(machine: Machine) -> None:
    """One line for each blocker, one for what to do, and nothing started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Blocked) as caught:
            examine.ensure(_demo(bridge=port), machine)

    assert f"PORT-TAKEN]: Port {port} is held by " in caught.value.message
    assert "`embedstack up --set ports.bridge=" in caught.value.advice
    assert caught.value.exit_code == 3


def test_a_port_of_the_running_stack_does_not(machine: Machine) -> None:
    """`up` again finds its own bridge on the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        own = PartState("bridge", "running", f"http://127.0.0.1:{port}", pid=os.getpid())
        assert examine.ensure(_demo(bridge=port), replace(machine, parts=(own,))) == ()


def test_a_port_of_a_container_that_is_not_well_is_the_stacks_own(machine: Machine) -> None:
    """`up` repairs it: its port is not a stranger's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        given = {"webui": {"enabled": False}, "ports": _ports() | {"bridge": port}}
        stack = planned(given, model="demo", kind="embedded", url=None, mode="docker")
        ill = PartState("bridge", "failed", f"http://127.0.0.1:{port}", pid=None)
        found = examine.examine(stack, replace(machine, parts=(ill,))).findings

    assert "PORT-TAKEN" not in {finding.id for finding in found}


def test_a_folder_that_cannot_be_written_stops_up(machine: Machine) -> None:
    """Neither root nor anybody writes under /proc."""
    with pytest.raises(Blocked, match="FOLDER-UNWRITABLE"):
        examine.ensure(_demo(), replace(machine, places=Places(Path("/proc/no-such-folder"))))


def test_a_full_disk_stops_up(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault is a disk of which next to nothing is free."""
    monkeypatch.setattr(disk, "MARGIN", 2**62)
    stack = planned(
        {"webui": {"enabled": False}, "engine": {"cpu": True}, "ports": _ports()}, kind="embedded", url=None
    )

    with pytest.raises(Blocked, match=r"DISK-FULL\]: .* are free where"):
        examine.ensure(stack, machine)


def test_all_blockers_are_reported_at_once() -> None:
    """So that they can be put right at one go, on one screen."""
    refusal = examine.refusal([_finding("A-A", "blocker"), _finding("B-B", "blocker")])

    assert refusal.message.splitlines()[0] == "2 problems stop the stack."
    assert refusal.advice.splitlines() == ["A-A: x.", "B-B: x."]


def test_warnings_do_not_stop_up(machine: Machine) -> None:
    """They are handed back to be reported."""
    proxied = replace(machine, environ={**machine.environ, "HTTP_PROXY": "http://proxy:3128"})
    assert reported(examine.ensure(_demo(), proxied)) == [("PROXY-LOOPBACK", "warning")]


def test_up_asks_nothing_of_what_runs(machine: Machine) -> None:
    """What can only be seen while the stack runs is for `doctor`."""
    before = examine.examine(_demo(), machine, before_up=True).checked
    assert [check.name for check in CHECKS if check.name not in before] == [
        "what is loaded",
        "Open WebUI's settings",
        "Open WebUI's roles",
        "Open WebUI's index",
    ]


def _diagnosis(*findings: Finding, code: int = 0) -> Diagnosis:
    return Diagnosis("embedstack", "native", "a test", "embedded", "demo", findings, ("disk", "ports"), code)


def _read(diagnosis: Diagnosis) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(diagnosis)
    return capture.get()


def test_a_person_reads_findings_by_severity() -> None:
    """Each under its severity, with its id and the next step."""
    lines = _read(_diagnosis(_finding("A-A", "blocker"), _finding("B-B", "blocker"), _finding("C-C", "note"))).split(
        "\n"
    )
    shown_lines = [line.strip() for line in lines]

    assert shown_lines.index("Blockers") < shown_lines.index("A-A  x") < shown_lines.index("Note")
    assert "→ x." in shown_lines
    assert "Nothing blocks the stack." in _read(_diagnosis())


def test_json_has_findings_and_checks() -> None:
    """The data is printed whole, whatever the exit status will be."""
    document = json.loads(result.success("doctor", _diagnosis(_finding("A-A", "blocker"), code=3)))

    assert document["data"]["findings"][0]["id"] == "A-A"
    assert document["data"]["checked"] == ["disk", "ports"]
    assert document["data"]["exit_code"] == 3


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without programs, GPU and stacks."""
    for name in ("OLLAMA_HOST", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("embedstack.deploy.stack.planning.gpus.look", Gpus)
    monkeypatch.setattr("embedstack.deploy.ollama.locate.find", lambda _: None)  # it looks beyond PATH as well
    monkeypatch.setattr("embedstack.deploy.webui.install.needed_bytes", lambda: 0)


def _doctor(**given: object) -> Diagnosis:
    usual = {"webui": {"enabled": False}, "stack": {"mode": "native"}, "ports": _ports()}
    return command.doctor(msgspec.convert(usual | given, Settings), Report("doctor", as_json=True))


@pytest.mark.process
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("given", "expected", "code"),
    [
        ({"model": {"id": "demo"}}, set(), 0),
        ({"model": {"id": "demo"}, "engine": {"kind": "vllm"}}, {"ENGINE-MISSING"}, 3),
        ({"engine": {"kind": "embedded"}}, set(), 0),
        ({"engine": {"kind": "ollama", "url": "http://127.0.0.1:1"}}, {"ENGINE-MISSING"}, 3),
        ({"engine": {"kind": "embedded", "cpu": True}}, set(), 0),
        ({"model": {"id": "demo"}, "stack": {"mode": "docker"}}, {"DOCKER-UNREACHABLE"}, 3),
        (
            {"model": {"id": "demo"}, "engine": {"kind": "embedded"}, "stack": {"expose": "all"}, "webui": {}},
            {"EXPOSED-NO-ADMIN"},
            3,
        ),
    ],
)
def test_doctor_looks_at_this_machine(given: dict[str, object], expected: set[str], code: int) -> None:
    """Settings in, findings out; exit status 3 exactly where one is a blocker."""
    found = _doctor(**given)

    assert expected == {finding.id for finding in found.findings if finding.severity == "blocker"}
    assert found.exit_code == code
    assert found.checked[:2] == ("engine", "disk")


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("asked_for", "expected"),
    [
        ({}, "GPU-WITHOUT-ENGINE"),
        ({"url": "http://127.0.0.1:1"}, "ENGINE-MISSING"),
        ({"kind": "ollama"}, "ENGINE-MISSING"),
    ],
)
def test_a_missing_engine_is_reported_once(
    asked_for: dict[str, object], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the GPU that nothing would use, or by the engine that was asked for and is not there."""
    monkeypatch.setattr("embedstack.deploy.stack.planning.gpus.look", lambda: Gpus((CARD,)))
    found = _doctor(engine=asked_for)

    assert [finding.id for finding in found.findings if finding.severity == "blocker"] == [expected]
    assert found.exit_code == 3


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("kind", "expected"), [("auto", ["OLLAMA-IS-BRIDGE"]), ("embedded", [])])
def test_a_bridge_named_as_an_ollama_is_reported(
    kind: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, and not where no Ollama is wanted."""
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:11435")
    monkeypatch.setattr("embedstack.deploy.stack.planning._ask", lambda _: (None, True))
    found = _doctor(model={"id": "demo"}, engine={"kind": kind})

    assert [finding.id for finding in found.findings if finding.severity == "blocker"] == expected
