"""A supervisor from before the package was called embedstack goes on with its stack while this version takes its place.

It is that of commit c82c2b7 itself. Its bridge is a stand-in, a module `bridge`, which is gone after the upgrade. `make
test-upgrade` installs the whole of that commit, and upgrades it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from embedstack.deploy.native import client, protocol
from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.places import Places
from embedstack.models.demo.build import DemoFiles
from tests.engines.process import free_port
from tests.integration.native.toys import (
    SERVER,
    alive,
    eventually,
    kill,
    pid_of,
    report,
    runs_again,
    stack,
    states,
    supervisor_pid,
)
from tests.paths import ROOT

pytestmark = pytest.mark.thorough

# deploy/native of that commit, and what it imports; nothing else of it.
SOURCES = ROOT / "tests" / "reference" / "older_supervisor.tar.xz"
OLD_MODULE = "bridge"


@dataclass(frozen=True)
class Older:
    """A stack that runs by that supervisor. `code`: where its modules lie. `spec`: its bridge, as it was brought up."""

    places: Places
    code: Path
    spec: PartSpec

    def upgrade(self) -> None:
        """Its modules are gone, as they are when another version is installed over them."""
        shutil.rmtree(self.code)

    def command(self) -> tuple[str, ...]:
        """How the bridge is started, by the supervisor's record."""
        record = protocol.read_record(self.places)
        assert record is not None
        return record.parts[0].spec.argv

    def answers(self) -> str:
        """What the bridge says of itself."""
        return requests.get(f"{self.spec.address}/api/version", timeout=10).text


@pytest.fixture
def older(tmp_path: Path, demo: DemoFiles) -> Iterator[Older]:
    code = tmp_path / "code"
    with tarfile.open(SOURCES) as sources:
        sources.extractall(code, filter="data")
    (code / OLD_MODULE).mkdir()
    (code / OLD_MODULE / "__init__.py").touch()  # a checkout's own folder of that name would come first otherwise
    port = free_port()
    with stack(tmp_path / "stack") as places:
        places.create()
        (code / OLD_MODULE / "__main__.py").write_text(f"import sys; sys.argv[1:] = ['{port}']\n{SERVER}")
        spec = _as_it_was_brought_up(places, port, code, demo)
        command = [sys.executable, "-P", "-m", "deploy.native", "--root", str(places.root), "--detach"]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(code)}, check=True, timeout=60)
        eventually(lambda: client.supervised(places))
        client.apply(places, [spec], report())
        client.wait_ready(places, ["bridge"], 30, report())
        yield Older(places, code, spec)


def _as_it_was_brought_up(places: Places, port: int, code: Path, demo: DemoFiles) -> PartSpec:
    config = places.run / "embed-bridge.yaml"
    config.write_text("")
    address = f"http://127.0.0.1:{port}"
    return PartSpec(
        "bridge",
        (sys.executable, "-P", "-m", OLD_MODULE, "--config", str(config)),
        str(places.run),
        {
            "PYTHONPATH": str(code),
            "EMBED_BRIDGE_LISTEN_PORT": str(port),
            "EMBED_BRIDGE_ENGINE_KIND": "embedded",
            "EMBED_BRIDGE_ENGINE_GGUF": str(demo.gguf),
            "EMBED_BRIDGE_ENGINE_THREADS": "1",
            "EMBED_BRIDGE_MODEL_ID": "demo",
            "EMBED_BRIDGE_MODEL_PRECISION": "f16",
            "EMBED_BRIDGE_CACHE_FOLDER": str(places.data / "bridge-cache"),
        },
        ready_url=f"{address}/readyz",
        address=address,
        ready_timeout=120.0,
    )


def test_it_answers_after_the_upgrade(older: Older) -> None:
    """Which part runs, and where, is asked in words that it understands."""
    before = pid_of(older.places, "bridge")
    older.upgrade()

    assert states(older.places)["bridge"].state == "running"
    assert pid_of(older.places, "bridge") == before
    assert older.answers() == str(before)


def test_a_restarted_bridge_is_this_versions(older: Older) -> None:
    """By the module's name of today; the supervisor stays the one it was, and stops all in the end."""
    supervisor, before = supervisor_pid(older.places), pid_of(older.places, "bridge")
    older.upgrade()

    client.restart(older.places, ["bridge"])
    client.wait_ready(older.places, ["bridge"], 120, report())

    assert older.command()[2:4] == ("-m", "embedstack.bridge")
    assert '"version"' in older.answers()
    assert not alive(before)
    assert supervisor_pid(older.places) == supervisor

    assert client.stop(older.places) == ("bridge",)
    eventually(lambda: not alive(supervisor))


def test_the_next_supervisor_starts_what_an_older_one_left(older: Older) -> None:
    """A bridge that outlived it is watched over, and once it has died another comes by the name of today."""
    before = pid_of(older.places, "bridge")
    kill(supervisor_pid(older.places))
    older.upgrade()

    client.start_supervisor(older.places)
    assert pid_of(older.places, "bridge") == before

    os.kill(before, signal.SIGKILL)
    eventually(lambda: runs_again(older.places, "bridge", before), 120)

    assert older.command()[2:4] == ("-m", "embedstack.bridge")
    assert '"version"' in older.answers()
