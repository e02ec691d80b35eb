"""A stack in real containers: up, killed from outside, up again, down. A real engine, a real Ollama, a real bridge."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from embedstack.deploy.console import Report
from embedstack.deploy.docker import daemon as daemon_facts
from embedstack.deploy.docker.runner import Containers, PlannedContainers
from embedstack.deploy.docker.variables import machine
from embedstack.deploy.errors import NotRunning, PartNotReady
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel
from embedstack.deploy.state import PartState
from embedstack.models import catalog
from embedstack.models.demo.build import DemoFiles
from tests.docker.images import Images, docker
from tests.docker.plans import FixedSecrets, settings
from tests.engines.process import Running, free_port
from tests.engines.run import ollama_create

pytestmark = [pytest.mark.needs("compose", "rootfs", "ollama"), pytest.mark.thorough]

WAIT_S = 120.0


@dataclass(frozen=True)
class Stack:
    """A stack that a test has brought up."""

    runner: PlannedContainers

    def part(self, name: str) -> PartState:
        return next(part for part in self.runner.states() if part.name == name)

    def embed(self, text: str) -> list[float]:
        """The vector that the bridge answers."""
        body = json.dumps({"model": "demo", "input": text}).encode()
        request = urllib.request.Request(f"{self.runner.plan.bridge_url}/api/embed", body)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 -- loopback
            vector: list[float] = json.load(response)["embeddings"][0]
        return vector

    def ids(self) -> list[str]:
        return docker("ps", "--quiet", "--no-trunc", "--filter", f"label={_label(self.runner.project)}").split()


def _label(project: str) -> str:
    return f"com.docker.compose.project={project}"


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not _quietly(holds):
        assert time.monotonic() < deadline, f"{what} was not so within {WAIT_S:.0f} s"
        time.sleep(0.2)


def _quietly(holds: Callable[[], bool]) -> bool:
    """False while a part that comes back refuses a connection, or its container is not there."""
    try:
        return holds()
    except (OSError, StopIteration):
        return False


def _plan(demo: DemoFiles, engine: PlannedEngine, name: str, images: dict[str, str], **sections: Any) -> Plan:
    model = catalog.load().find("demo").model
    ports = {part: free_port() for part in ("ollama", "bridge", "bridge_bf16", "vllm", "webui")}
    chosen = settings(
        **{
            "stack": {"name": name, "wait": WAIT_S},
            "model": {"id": "demo"},
            "webui": {"enabled": False},
            "ports": ports,
            "images": images,
            **sections,
        }
    )
    url = f"http://127.0.0.1:{ports['ollama']}" if engine.kind == "ollama" else None
    served = PlannedModel(model, "demo", model.default_quantisation, 2048, gguf=demo.gguf)
    return Plan(chosen, "docker", "for a test", replace(engine, url=url), served)


def _runner(plan: Plan, folder: Path) -> PlannedContainers:
    name = plan.settings.stack.name
    report = Report("test", as_json=True)
    return PlannedContainers(name, report, plan, FixedSecrets(), Places(folder / name).create(), None, machine(None))


@pytest.fixture(scope="module")
def built(images: Images) -> dict[str, str]:
    """Names of images for the settings; the bridge's is built by the first stack that comes up."""
    return {"ollama": images.ollama(), "bridge_base": images.python(), "bridge": images.bridge()}


@pytest.fixture(scope="module")
def stack(demo: DemoFiles, built: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Ollama with the demo model and a bridge before it, as `up` brings them up."""
    engine = PlannedEngine(kind="ollama", managed=True, reason="for a test")
    runner = _runner(_plan(demo, engine, "es-test", built), tmp_path_factory.mktemp("home"))
    try:
        assert runner.start(["ollama"])
        container = Running(str(runner.plan.engine.url), 0, Path(os.devnull), "ollama", "0.34.4")
        ollama_create(container, "demo", demo.gguf)
        assert runner.start(["ollama", "bridge"])
        yield Stack(runner)
    finally:
        runner.stop(volumes=True)


class TestUp:
    def test_every_part_is_healthy(self, stack: Stack) -> None:
        """`up` returns when all containers are healthy, each with an address on this machine alone."""
        parts = {part.name: part for part in stack.runner.states()}

        assert {name: part.state for name, part in parts.items()} == {"ollama": "running", "bridge": "running"}
        assert stack.runner.plan.bridge_url == parts["bridge"].address
        assert stack.runner.plan.engine.url == parts["ollama"].address

    def test_the_bridge_answers(self, stack: Stack) -> None:
        """A client of this machine gets 2560 numbers of unit norm."""
        vector = stack.embed("annual leave")

        assert len(vector) == 2560
        assert sum(number * number for number in vector) == pytest.approx(1, abs=1e-4)

    def test_again_changes_nothing(self, stack: Stack) -> None:
        """A second `up` leaves every container as it is, says so, and takes under 3 seconds: the better of two."""
        before = stack.ids()
        took = []

        for _ in range(2):
            began = time.monotonic()
            assert stack.runner.start(["ollama", "bridge"]) is False
            took.append(time.monotonic() - began)
        assert min(took) < 3
        assert before == stack.ids()

    def test_the_bridge_has_little(self, stack: Stack) -> None:
        """No root, no capability, nothing to write to but its cache and a scratch folder, and many descriptors."""
        inside = (
            "import os, resource, json; root = os.access('/', os.W_OK) or os.access('/opt/embedstack', os.W_OK);"
            "caps = next(l.split()[1] for l in open('/proc/self/status') if l.startswith('CapBnd'));"
            "print(json.dumps([os.getuid(), root, int(caps, 16), resource.getrlimit(resource.RLIMIT_NOFILE)[0]]))"
        )
        reported = docker("exec", f"{stack.runner.project}-bridge-1", "python", "-c", inside)

        assert json.loads(reported) == [10001, False, 0, stack.runner.machine.descriptors]

    def test_config_without_secrets(self, stack: Stack) -> None:
        """`config compose` prints what Compose makes of all layers, and none of the secrets."""
        reported = stack.runner.config()

        assert "embedstack-test/ollama" in reported
        assert "a-secret-key" not in reported
        assert "a-password" not in reported


class TestKilled:
    @pytest.mark.parametrize("name", ["ollama", "bridge"])
    def test_comes_back(self, stack: Stack, name: str) -> None:
        """A part whose main process is killed from the host is started again, and the stack answers as before."""
        before, vector = stack.part(name), stack.embed("payroll")
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)

        _until(lambda: stack.part(name).pid not in (None, before.pid), f"{name} runs again")
        _until(lambda: all(part.state == "running" for part in stack.runner.states()), "every part is healthy")
        assert stack.part(name).restarts == before.restarts + 1
        assert stack.embed("payroll") == pytest.approx(vector, abs=1e-5)

    def test_up_repairs_what_was_removed(self, stack: Stack) -> None:
        """A container that is gone is made again; the other is left alone."""
        ollama = stack.part("ollama")
        docker("rm", "--force", f"{stack.runner.project}-bridge-1")

        assert stack.runner.start(["ollama", "bridge"]) is True
        assert ollama.pid == stack.part("ollama").pid
        assert len(stack.embed("again")) == 2560


class TestOtherVerbs:
    def test_logs(self, stack: Stack) -> None:
        """The last lines of the parts asked for, with their names."""
        lines = list(stack.runner.logs(["bridge"], lines=5, follow=False))

        assert 0 < len(lines) <= 5
        assert all(line.startswith("bridge-1") for line in lines)

    def test_restart(self, stack: Stack) -> None:
        """One part is restarted, the other goes on."""
        before = {part.name: part.pid for part in stack.runner.states()}
        stack.runner.restart(["bridge"])

        assert before["ollama"] == stack.part("ollama").pid
        assert before["bridge"] != stack.part("bridge").pid
        _until(lambda: stack.part("bridge").state == "running", "the bridge is healthy")

    def test_a_part_that_there_is_not(self, stack: Stack) -> None:
        """An unknown name is refused with the known ones."""
        with pytest.raises(NotRunning, match="no part 'bridges'; it has ollama, bridge"):
            stack.runner.restart(["bridges"])


def test_a_part_that_does_not_come_up(demo: DemoFiles, built: dict[str, str], tmp_path: Path) -> None:
    """`up` fails with the name of the part and its last lines, where its own configuration stops it."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("cache: {memry: 1}\n")
    engine = PlannedEngine(kind="embedded", managed=True, reason="for a test")
    runner = _runner(_plan(demo, engine, "es-bad", built, bridge={"config": bad}), tmp_path)
    try:
        with pytest.raises(PartNotReady, match="bridge is not well") as refused:
            runner.start(["bridge"])
        assert "memry" in refused.value.advice
    finally:
        runner.stop(volumes=True)


def test_down(demo: DemoFiles, built: dict[str, str], tmp_path: Path) -> None:
    """llama.cpp inside the bridge; `down` leaves the volumes, and with `volumes` nothing of the stack is left."""
    engine = PlannedEngine(kind="embedded", managed=True, reason="for a test")
    runner = _runner(_plan(demo, engine, "es-down", built), tmp_path)
    try:
        runner.start(["bridge"])
        assert len(Stack(runner).embed("one")) == 2560
        assert runner.stop(volumes=False) == ("bridge",)
        assert runner.states() == ()
        assert docker("volume", "ls", "--quiet", "--filter", f"label={_label('es-down')}") == "es-down_bridge-cache"
        runner.start(["bridge"])
    finally:
        Containers("es-down", runner.report).stop(volumes=True)
    for kind in ("volume", "network"):
        assert docker(kind, "ls", "--quiet", "--filter", f"label={_label('es-down')}") == ""


@pytest.mark.usefixtures("daemon")
def test_the_daemons_facts() -> None:
    """What is said of the daemon is what it says itself."""
    found = daemon_facts.look()

    assert found.unusable == ""
    assert str(found.compose).lstrip("v") == "2.40.3"
    assert docker("info", "--format", "{{.DockerRootDir}}") == found.root
    assert found.version == docker("version", "--format", "{{.Server.Version}}")


# As Compose 2.40.3 itself does by luck when its time runs out: the wait has failed, and the exit status is 0.
SILENT = """#!/bin/sh
'{docker}' "$@"
status=$?
case " $* " in *" up "*) exit 0;; esac
exit $status
"""


@pytest.mark.parametrize("silent", [False, True], ids=["as it is", "a Compose that ends with 0"])
def test_a_part_that_is_late(
    demo: DemoFiles, built: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    """A part that is not healthy when its time is up is named, with what its health check said last."""
    if silent:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir()
        program.write_text(SILENT.format(docker=shutil.which("docker")))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    elsewhere = PlannedEngine(kind="ollama", managed=False, reason="for a test")
    runner = _runner(_plan(demo, elsewhere, "es-late", built, stack={"name": "es-late", "wait": 15}), tmp_path)
    try:
        with pytest.raises(PartNotReady, match="bridge is not well") as refused:
            runner.start(["bridge"])
        assert "embedstack logs bridge" in refused.value.advice
    finally:
        runner.stop(volumes=True)


def test_a_script_runs_as_open_webui_would(demo: DemoFiles, built: dict[str, str], tmp_path: Path) -> None:
    """In a container of its own, with Open WebUI's image and variables, of which nothing is left afterwards."""
    engine = PlannedEngine(kind="ollama", managed=True, reason="for a test")
    images = {**built, "webui": built["bridge_base"]}
    runner = _runner(_plan(demo, engine, "es-script", images, webui={"enabled": True}), tmp_path)
    script = "import os, sys; print(os.environ['RAG_EMBEDDING_MODEL'], sys.argv[1])"
    try:
        assert runner.in_webui(script, "SELECT 1") == "demo SELECT 1\n"
        assert runner.states() == ()
    finally:
        runner.stop(volumes=True)
