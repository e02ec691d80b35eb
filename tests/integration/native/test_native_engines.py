"""A native stack with the other real parts: an Ollama that it starts itself, one that ran before, vLLM, Open WebUI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from embedstack.deploy.native import client, parts
from embedstack.deploy.native.parts import PartSurroundings
from embedstack.deploy.places import Places
from embedstack.deploy.plan import engines
from embedstack.deploy.plan.engines import Blocker
from embedstack.deploy.plan.plan import PlannedEngine
from embedstack.deploy.settings import EngineSettings, Settings, WebuiSettings
from embedstack.deploy.stack import planning
from embedstack.deploy.webui import install
from embedstack.models import catalog
from embedstack.models.demo.build import DemoFiles
from tests.engines.locate import locate
from tests.engines.process import Running
from tests.engines.run import ollama_create, ollama_server
from tests.integration.native.planned import demo_plan, settings, specs
from tests.integration.native.toys import alive, eventually, kill, pid_of, report, runs_again, stack, states


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    with stack(tmp_path / "stack") as made:
        yield made


def chosen(wanted: Settings, places: Places) -> PlannedEngine:
    facts = planning.look_at_engine(wanted, places, {"PATH": os.environ["PATH"]}, gpu=None)
    engine = engines.choose(wanted, catalog.load().find("demo").model, facts)
    assert not isinstance(engine, Blocker), engine.message
    return engine


def embed(url: str) -> int:
    answer = requests.post(f"{url}/api/embed", json={"model": "demo", "input": "annual leave"}, timeout=120)
    assert answer.status_code == 200, answer.text
    return len(answer.json()["embeddings"][0])


@pytest.mark.needs("ollama")
def test_an_installed_ollama_is_started_killed_and_stopped(
    places: Places, demo: DemoFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the stack's own, also when `up` looks again; after kill -9 of it the bridge gets vectors again."""
    ollama = locate("ollama")
    assert ollama is not None
    monkeypatch.setenv("EMBEDSTACK_ENGINES", str(ollama.folder.parent))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{ollama.program('ollama').parent}:{os.environ['PATH']}")
    wanted = settings()
    engine = chosen(wanted, places)
    assert (engine.kind, engine.managed) == ("ollama", True)
    plan = demo_plan(demo, wanted, engine)
    all_of_it = specs(plan, places)
    client.start_supervisor(places)
    client.apply(places, all_of_it[:1], report())
    client.wait_ready(places, [parts.OLLAMA], 60, report())
    running = Running(url=str(engine.url), pid=pid_of(places, "ollama"), log=tmp_path, name="ollama", version="")
    ollama_create(running, "demo", demo.gguf)
    client.apply(places, all_of_it, report())
    client.wait_ready(places, [parts.BRIDGE], 120, report())
    assert embed(plan.bridge_url) == 2560

    again = chosen(wanted, places)
    assert again == engine
    assert client.apply(places, specs(demo_plan(demo, wanted, again), places), report()).nothing

    kill(running.pid)
    eventually(lambda: runs_again(places, "ollama", running.pid))
    client.wait_ready(places, [parts.OLLAMA, parts.BRIDGE], 60, report())
    requests.post(f"{plan.bridge_url}/api/embed", json={"model": "demo", "input": "x"}, timeout=120)
    assert embed(plan.bridge_url) == 2560
    assert client.stop(places) == ("ollama", "bridge")
    assert planning.version(str(engine.url)) is None


@pytest.mark.needs("ollama")
def test_an_ollama_that_runs_is_used_and_left_alone(places: Places, demo: DemoFiles, tmp_path: Path) -> None:
    """Nothing of it is started, and `down` leaves it running."""
    with ollama_server(tmp_path / "models") as running:
        ollama_create(running, "demo", demo.gguf)
        wanted = settings(engine=EngineSettings(url=running.url))
        engine = chosen(wanted, places)
        assert not engine.managed
        plan = demo_plan(demo, wanted, engine)
        client.start_supervisor(places)
        client.apply(places, specs(plan, places), report())
        client.wait_ready(places, [parts.BRIDGE], 120, report())
        assert embed(plan.bridge_url) == 2560
        assert client.stop(places) == ("bridge",)
        assert planning.version(running.url)
        assert alive(running.pid)


@pytest.mark.needs("vllm")
@pytest.mark.thorough
def test_vllm_is_started_behind_the_models_name(
    places: Places, demo: DemoFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real vLLM on the CPU; cut vectors come from its own Matryoshka override."""
    vllm = locate("vllm")
    assert vllm is not None
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VLLM_CACHE_ROOT", str(vllm.folder / "cache"))
    wanted = settings(engine=EngineSettings(kind="vllm", cpu=True))
    url = f"http://127.0.0.1:{wanted.ports.vllm}"
    engine = PlannedEngine("vllm", True, "as asked for", url, vllm.program("vllm"))
    plan = demo_plan(demo, wanted, engine)
    client.start_supervisor(places)
    client.apply(places, specs(plan, places), report())
    client.wait_ready(places, [parts.VLLM, parts.BRIDGE], 600, report())
    assert embed(plan.bridge_url) == 2560
    body = {"model": "demo", "input": "x", "dimensions": 256}
    assert requests.post(f"{url}/v1/embeddings", json=body, timeout=60).status_code == 200
    # What vLLM has started in processes of its own holds memory, and goes with it.
    before = pid_of(places, "vllm")
    kill(before)
    eventually(lambda: states(places)["vllm"].pid not in (None, before))
    client.wait_ready(places, [parts.VLLM], 600, report())


@pytest.mark.thorough
def test_open_webui_is_installed_once_started_and_restarted(places: Places, demo: DemoFiles) -> None:
    """From PyPI, in an environment of its own; after kill -9 it is there again, with its database."""
    wanted = settings(webui=WebuiSettings())
    made = install.ensure(wanted.webui, report())
    assert install.ensure(wanted.webui, report()) == made
    plan = demo_plan(demo, wanted)
    client.start_supervisor(places)
    client.apply(places, specs(plan, places, PartSurroundings(webui=made.program)), report())
    client.wait_ready(places, [parts.BRIDGE, parts.WEBUI], 240, report())
    who = {"email": "admin@localhost", "password": "the first password"}
    assert requests.post(f"{plan.webui_url}/api/v1/auths/signin", json=who, timeout=60).status_code == 200
    before = pid_of(places, parts.WEBUI)
    kill(before)
    eventually(lambda: states(places)[parts.WEBUI].pid not in (None, before))
    client.wait_ready(places, [parts.WEBUI], 240, report())
    assert requests.post(f"{plan.webui_url}/api/v1/auths/signin", json=who, timeout=60).status_code == 200
    assert "the first password" not in (places.logs / "open-webui.log").read_text()
    assert not list(places.root.rglob(".webui_secret_key"))
