"""What is made of the daemon's answers: states of parts, its GPU, its versions. The answers are recorded ones."""

from __future__ import annotations

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from threading import Event, Thread
from typing import Any

import pytest

from embedstack.deploy.docker import cli, containers, daemon, runner
from embedstack.deploy.docker.daemon import Daemon


def _container(status: str = "running", **state: Any) -> dict[str, Any]:
    return {
        "Id": "c1",
        "Name": "/embedstack-bridge-1",
        "RestartCount": 2,
        "Config": {"Labels": {containers.SERVICE: "bridge"}},
        "State": {"Status": status, "Pid": 77, "StartedAt": "2026-11-25T17:00:00.123456789Z", "ExitCode": 0, **state},
        "NetworkSettings": {"Ports": {"11435/tcp": [{"HostIp": "127.0.0.1", "HostPort": "11435"}]}},
    }


class TestState:
    def test_healthy(self) -> None:
        """Address, process, start and restarts are the container's."""
        part = containers.state(_container(Health={"Status": "healthy"}))

        assert (
            *(part.name, part.state, part.address),
            *(part.pid, part.restarts),
        ) == ("bridge", "running", "http://127.0.0.1:11435", 77, 2)
        assert part.since == pytest.approx(1795626000.123456)

    def test_starting(self) -> None:
        """Before its first good check a part is starting, and says what the check said."""
        log = [{"Output": "Traceback\nHTTP Error 503: Service Unavailable\n"}]
        part = containers.state(_container(Health={"Status": "starting", "Log": log}))

        assert (part.state, part.reason) == ("starting", "HTTP Error 503: Service Unavailable")

    def test_not_healthy(self) -> None:
        """A part that runs and fails its check is not well."""
        part = containers.state(_container(Health={"Status": "unhealthy", "Log": [{"Output": "refused"}]}))

        assert (part.state, part.reason) == ("failed", "refused")
        assert part.address == "http://127.0.0.1:11435"  # it holds its port all the same

    def test_restarting(self) -> None:
        """Docker waits longer from restart to restart."""
        part = containers.state(_container("restarting", ExitCode=2, Pid=0))

        assert (part.state, part.address, part.pid) == ("backoff", None, None)
        assert "it ended with 2" in part.reason

    def test_out_of_memory(self) -> None:
        """The kernel's reason is the one that helps."""
        assert "out of memory" in containers.state(_container("exited", ExitCode=137, OOMKilled=True)).reason

    def test_ended(self) -> None:
        """Exit status 0 is an end, not a failure."""
        assert containers.state(_container("exited")).state == "stopped"

    def test_never_started(self) -> None:
        """The year 1 stands for never."""
        part = containers.state(_container("created", StartedAt="0001-01-01T00:00:00Z", Error="port is taken"))

        assert (part.state, part.since, part.reason) == ("stopped", None, "port is taken")


class TestGpu:
    def test_the_toolkit(self) -> None:
        """A registered runtime, or the hook that `--gpus` looks for."""
        assert daemon.ability(("nvidia", "runc"), hook=False, cdi=(), amd=False) == "nvidia"
        assert daemon.ability(("runc",), hook=True, cdi=(), amd=False) == "nvidia"

    def test_cdi(self) -> None:
        """Without the toolkit, a device that the daemon knows by CDI."""
        assert daemon.ability(("runc",), hook=False, cdi=("nvidia.com/gpu=all",), amd=True) == "cdi"

    def test_amd(self) -> None:
        """Without an NVIDIA GPU, AMD's devices."""
        assert daemon.ability(("runc",), hook=False, cdi=("vendor.org/nic=1",), amd=True) == "rocm"

    def test_none(self) -> None:
        """A machine without a GPU gets no overlay: a reservation that cannot be met is fatal."""
        assert daemon.ability(("runc",), hook=False, cdi=(), amd=False) is None

    @pytest.mark.parametrize(
        "text", ['{"cdiVersion": "0.6.0",\n "kind": "nvidia.com/gpu",\n}', "kind: nvidia.com/gpu\n"]
    )
    def test_kinds_in_specifications(self, tmp_path: Path, text: str) -> None:
        """NVIDIA's tool writes YAML or JSON; folders that are not there are passed over."""
        (tmp_path / "nvidia.yaml").write_text(text)

        assert daemon.cdi_kinds([str(tmp_path), str(tmp_path / "nowhere")]) == ("nvidia.com/gpu",)

    def test_groups_of_amds_devices(self, tmp_path: Path) -> None:
        """The numbers of this machine's groups; their names in the image may have others."""
        (tmp_path / "dri").mkdir()
        for name in ("kfd", "dri/card0", "dri/renderD128"):
            (tmp_path / name).touch()

        assert (os.getgid(), os.getgid()) == daemon.amd_groups(tmp_path)
        assert daemon.amd_groups(tmp_path / "dri") is None


class TestDaemon:
    @pytest.mark.parametrize(
        ("text", "expected"), [("2.40.3", (2, 40)), ("v2.20.0-desktop.1", (2, 20)), ("dev", (0, 0)), ("", (0, 0))]
    )
    def test_versions(self, text: str, expected: tuple[int, int]) -> None:
        """Compose's version in all its spellings."""
        assert expected == daemon.version(text)

    def test_why_it_cannot_be_used(self) -> None:
        """No daemon, no Compose and an old Compose are three reasons; with all there is none."""
        assert Daemon("unix:///x", "no daemon").unusable == "no daemon"
        assert "no Compose plugin" in Daemon("unix:///x", "").unusable
        assert "is 2.19.1" in Daemon("unix:///x", "", compose="2.19.1").unusable
        assert Daemon("unix:///x", "", compose="2.20.0").unusable == ""

    def test_nothing_listens(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A daemon that is not there is a fact, reported with its address."""
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        monkeypatch.setenv("PATH", str(tmp_path))
        program = tmp_path / "docker"
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)

        assert f"{tmp_path}/none.sock" in daemon.look().unusable

    @pytest.mark.parametrize("answered", [(), ("/version",)])
    def test_a_daemon_that_hangs(
        self, answered: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At once, or after its first answer: a fact as well, and no traceback."""
        monkeypatch.setattr(cli, "TIMEOUT_S", 0.2)
        monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/docker")
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/hangs.sock")
        over = Event()

        class Hangs(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path not in answered:
                    over.wait(10)
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"ApiVersion": "1.47"}')

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingMixIn, UnixStreamServer):
            pass

        with Server(f"{tmp_path}/hangs.sock", Hangs) as server:
            thread = Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                assert f"{tmp_path}/hangs.sock" in daemon.look().why_not
            finally:
                over.set()
                server.shutdown()
                thread.join()

    @pytest.mark.process
    def test_no_command(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the `docker` command there is nothing to act with."""
        monkeypatch.setenv("PATH", str(tmp_path))

        assert "no `docker` command" in daemon.look().unusable

    def test_other_composes_settings_stay_out(self) -> None:
        """COMPOSE_FILE of the person's own project must not become part of the stack."""
        assert cli.environment({"A": "1", "COMPOSE_FILE": "x", "EMBEDSTACK_RUN": "y"}) == {"A": "1"}


class TestImage:
    def test_same_sources_same_digest(self, tmp_path: Path) -> None:
        """What is staged from one tree twice is the same, with nothing but sources in it."""
        one, two = tmp_path / "one", tmp_path / "two"
        one.mkdir()
        two.mkdir()

        assert runner.stage(one) == runner.stage(two)
        assert {"embedstack", *runner.LINKED, "compose", *runner.BESIDE} == {path.name for path in one.iterdir()}
        assert not list(one.rglob("__pycache__"))

    @pytest.mark.parametrize(("changed", "another"), [("bridge/a.py", True), ("deploy/a.py", False)])
    def test_what_the_bridge_is_made_of_counts(self, tmp_path: Path, changed: str, another: bool) -> None:
        """Another bridge is another image; another toolkit is not, though the image's wheel holds it too."""
        for name in ("bridge", "deploy"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.py").write_text("1")
        before = runner.digest(tmp_path)
        (tmp_path / changed).write_text("2")

        assert (before != runner.digest(tmp_path)) is another

    def test_a_new_name_is_another_image(self, tmp_path: Path) -> None:
        """The same content under another name is not the same."""
        (tmp_path / "bridge").mkdir()
        (tmp_path / "bridge" / "a.py").write_text("1")
        before = runner.digest(tmp_path)
        (tmp_path / "bridge" / "a.py").rename(tmp_path / "bridge" / "b.py")

        assert before != runner.digest(tmp_path)


@pytest.mark.process
def test_the_sdk_is_the_sdk() -> None:
    """The package deploy.docker does not hide PyPI's `docker` from itself."""
    message = (
        "from embedstack.deploy.docker import cli; print(cli.docker.__name__, hasattr(cli.docker, 'DockerClient'))"
    )
    out = subprocess.run([sys.executable, "-c", message], capture_output=True, text=True, check=True).stdout

    assert out.strip() == "docker True"
