"""A running stack of an earlier commit, in whose environment this version is installed: nothing is lost or locked out.

`make test-upgrade` runs these. They want the repository's history, which CI's clone may not have: there
tests/integration/native/test_older_supervisor.py runs the same against the supervisor of that commit alone.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from embedstack.vectors.mrl import Vectors
from tests.integration.native.toys import alive, eventually
from tests.paths import ROOT
from tests.stack_command import StackCommand, stack_command

# The last before the package was called embedstack: `-m bridge` and `-m deploy.native` are what its processes run.
EARLIER = "c82c2b7"
TEXTS = ["How many days of annual leave are there?", "Der Zug fährt um acht.", "年假有多少天？"]
UV = str(Path(sys.executable).with_name("uv"))


@dataclass(frozen=True)
class Environment:
    """A virtual environment with some version of embedstack, and a stack of its own."""

    folder: Path
    stack: StackCommand

    def install(self, source: Path) -> None:
        """The version that lies in `source`, as a wheel: in place of the one that is there."""
        pip = (UV, "pip", "install", "--quiet", "--python", str(self.folder / "bin" / "python"))
        _checked(
            *pip, "--constraint", str(source / "constraints.txt"), "--reinstall-package", "embedstack", str(source)
        )

    def run(self, *words: str) -> dict[str, Any]:
        """`embedstack WORDS`, which must do its work; its data."""
        program = self.folder / "bin" / "embedstack"
        data: dict[str, Any] = json.loads(_checked(str(program), *words, "--json", env=self.stack.environment))["data"]
        return data

    def bridge(self) -> int:
        """The process of the bridge, which runs."""
        (part,) = self.run("status")["parts"]
        assert (part["name"], part["state"]) == ("bridge", "running")
        return int(part["pid"])

    def supervisor(self) -> int:
        record = self.stack.folder / "home" / "stacks" / "embedstack" / "run" / "supervisor.json"
        return int(json.loads(record.read_bytes())["pid"])

    def embed(self) -> tuple[Vectors, str, str]:
        """The vectors of the texts, how they came, and their fingerprint."""
        asked = {"model": "demo", "input": TEXTS, "input_type": "query"}
        answer = requests.post(f"{self.stack.bridge}/api/embed", json=asked, timeout=60)
        assert answer.status_code == 200, answer.text
        vectors = np.array(answer.json()["embeddings"], dtype=np.float32)
        return vectors, answer.headers["X-Embed-Cache"], answer.headers["X-Embed-Fingerprint"]


def _checked(*command: str, env: Any = None) -> str:
    done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the earlier commit."""
    folder = tmp_path_factory.mktemp("earlier")
    archive = subprocess.run(["/usr/bin/env", "git", "archive", EARLIER], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as sources:
        sources.extractall(folder, filter="data")
    return folder


@pytest.fixture
def up(earlier: Path, tmp_path: Path) -> Iterator[Environment]:
    """The earlier version's stack, which runs."""
    with stack_command(tmp_path, EMBEDSTACK_ENGINE_KIND="embedded") as stack:
        environment = Environment(tmp_path / "venv", stack)
        _checked(UV, "venv", "--quiet", "--python", sys.executable, str(environment.folder))
        environment.install(earlier)
        environment.run("up")
        yield environment


def test_a_stack_that_runs_is_restarted_brought_up_and_stopped(up: Environment) -> None:
    """Its bridge answers meanwhile; restarted before any `up`, it is this version's, and has its cache."""
    before, _, fingerprint = up.embed()
    old = up.bridge()

    up.install(ROOT)
    assert up.bridge() == old
    assert _is(up.embed(), before, fingerprint)

    up.run("restart", "bridge")
    restarted = up.bridge()
    assert restarted != old
    assert _is(up.embed(), before, fingerprint)

    up.run("up")
    assert up.bridge() == restarted  # there was nothing left to change
    assert _is(up.embed(), before, fingerprint)

    supervisor = up.supervisor()
    up.run("down")
    eventually(lambda: not alive(restarted) and not alive(supervisor))


def test_up_after_the_upgrade_brings_the_new_bridge(up: Environment) -> None:
    """Without anything in between."""
    before, _, fingerprint = up.embed()
    old = up.bridge()

    up.install(ROOT)
    up.run("up")

    assert up.bridge() != old
    assert _is(up.embed(), before, fingerprint)


def test_parts_that_a_killed_supervisor_left_are_taken_over(up: Environment) -> None:
    """By this version's supervisor, which reads the record of the earlier one."""
    before, _, fingerprint = up.embed()
    old, supervisor = up.bridge(), up.supervisor()

    up.install(ROOT)
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not alive(supervisor))
    up.run("up")

    assert up.bridge() != old
    assert not alive(old)
    assert _is(up.embed(), before, fingerprint)


def _is(answer: tuple[Vectors, str, str], vectors: Vectors, fingerprint: str) -> bool:
    """Whether an answer has these vectors, from the cache, and this fingerprint."""
    return bool(np.array_equal(answer[0], vectors)) and answer[1:] == ("hit", fingerprint)
