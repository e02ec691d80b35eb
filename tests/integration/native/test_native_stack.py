"""A native stack of real parts: the bridge with the embedded engine, from nothing to vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from embedstack.deploy.native import client
from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.places import Places
from embedstack.deploy.settings import BridgeSettings, StackSettings
from embedstack.models.demo.build import DemoFiles
from tests.integration.native.planned import demo_plan, settings, specs
from tests.integration.native.toys import alive, eventually, kill, pid_of, report, runs_again, stack, supervisor_pid

pytestmark = pytest.mark.thorough


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    with stack(tmp_path / "stack") as made:
        yield made


@pytest.fixture
def bridge(places: Places, demo: DemoFiles) -> PartSpec:
    """The bridge of a stack that runs."""
    (spec,) = specs(demo_plan(demo, settings()), places)
    up(places, spec)
    return spec


def up(places: Places, spec: PartSpec) -> client.AppliedParts:
    client.start_supervisor(places)
    applied = client.apply(places, [spec], report())
    client.wait_ready(places, [spec.name], 60, report())
    return applied


def embed(spec: PartSpec) -> int:
    """Dimensions of the vector that the bridge gives."""
    answer = requests.post(f"{spec.address}/api/embed", json={"model": "demo", "input": "annual leave"}, timeout=30)
    assert answer.status_code == 200, answer.text
    return len(answer.json()["embeddings"][0])


def test_it_answers_and_a_second_up_changes_nothing(places: Places, demo: DemoFiles) -> None:
    """2560 numbers; the plan made again from the same settings leaves the process alone."""
    plan = demo_plan(demo, settings())
    (spec,) = specs(plan, places)
    assert up(places, spec).started == ("bridge",)
    assert embed(spec) == 2560
    assert up(places, specs(plan, places)[0]).nothing


def test_killed_with_its_engine_or_alone_it_comes_back(places: Places, bridge: PartSpec) -> None:
    """kill -9 of the bridge ends its engine too, and both are there again with vectors."""
    before = pid_of(places, "bridge")
    engine = psutil.Process(before).children(recursive=True)
    assert engine
    kill(before)
    eventually(lambda: runs_again(places, "bridge", before))
    eventually(lambda: not any(alive(child.pid) for child in engine))
    assert embed(bridge) == 2560


def test_it_serves_on_while_its_supervisor_is_killed(places: Places, bridge: PartSpec) -> None:
    """Nobody who asks for vectors notices, and `up` repairs just the supervisor."""
    before = pid_of(places, "bridge")
    kill(supervisor_pid(places))
    assert embed(bridge) == 2560
    assert up(places, bridge).nothing
    assert before == pid_of(places, "bridge")


def test_another_file_of_the_bridge_restarts_it(places: Places, demo: DemoFiles) -> None:
    """What it read at its start has changed, though its command has not."""
    config = places.create().root / "mine.yaml"
    config.write_text("requests:\n  on_too_long: truncate\n")
    wanted = settings(bridge=BridgeSettings(config=config))
    assert up(places, specs(demo_plan(demo, wanted), places)[0]).started == ("bridge",)
    assert up(places, specs(demo_plan(demo, wanted), places)[0]).nothing
    config.write_text("requests:\n  on_too_long: error\n")
    assert up(places, specs(demo_plan(demo, wanted), places)[0]).replaced == ("bridge",)


def test_its_secrets_are_in_no_log_and_no_command(places: Places, demo: DemoFiles) -> None:
    """The bridge asks for its key, which stands in a 0600 file alone."""
    (spec,) = specs(demo_plan(demo, settings(stack=StackSettings(expose="all"))), places)
    up(places, spec)
    url = f"{spec.address}/api/embed"
    body = {"model": "demo", "input": "annual leave"}
    assert requests.post(url, json=body, timeout=30).status_code == 401
    headers = {"Authorization": "Bearer the bridge's key"}
    assert requests.post(url, json=body, headers=headers, timeout=30).status_code == 200
    said = " ".join(psutil.Process(pid_of(places, "bridge")).cmdline())
    logs = "".join(path.read_text() for path in places.logs.iterdir())
    assert "the bridge's key" not in said + logs
    assert (places.run / "bridge.key").stat().st_mode & 0o077 == 0
