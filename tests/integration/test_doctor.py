"""What `doctor` sees of real engines and of a real bridge."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from embedstack.deploy.doctor import engines, gpu, ollama, ports
from embedstack.deploy.machine.gpu import Gpus
from embedstack.deploy.plan.plan import PlannedEngine
from embedstack.deploy.sites.native import Native
from embedstack.models.demo.build import DemoFiles
from tests.engines.locate import locate
from tests.engines.process import Running
from tests.engines.run import ollama_create, ollama_server
from tests.stacks import EMBEDDED, Stacks
from tests.unit.deploy.doctor.stacks import CARD, planned, reported


@pytest.fixture(scope="module")
def served(demo: DemoFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A real Ollama that has the demo model loaded."""
    with ollama_server(tmp_path_factory.mktemp("models")) as running:
        ollama_create(running, "demo", demo.gguf)
        requests.post(f"{running.url}/api/embed", json={"model": "demo", "input": "a text"}, timeout=60)
        yield running


def _program() -> Path:
    installed = locate("ollama")
    assert installed is not None
    return installed.program("ollama")


@pytest.mark.needs("ollama")
def test_a_running_ollama_is_an_offer_with_its_version(served: Running) -> None:
    """On the port that the stack would give its own."""
    held = ports.look("ollama", "ports.ollama", int(served.url.rpartition(":")[2]))

    assert held is not None
    (found,) = ports.check(held, Native())
    assert (found.id, found.severity) == ("PORT-OLLAMA", "blocker")
    assert f"Ollama {ollama.installed(_program()).version} answers" in found.evidence


@pytest.mark.needs("ollama")
def test_a_model_on_the_cpu_is_seen_where_there_is_a_gpu(served: Running) -> None:
    """Ollama without a GPU has all of it on the CPU: with a card in the machine that is a fall-back."""
    seen = ollama.find(PlannedEngine("ollama", False, "a test", served.url), runs=False)

    assert seen is not None
    assert [model.name for model in seen.loaded] == ["demo:latest"]
    assert reported(gpu.check_loaded(planned(), Gpus((CARD,)), seen.loaded)) == [("CPU-FALLBACK", "warning")]
    assert reported(gpu.check_loaded(planned(), Gpus(), seen.loaded)) == []


@pytest.mark.needs("ollama")
def test_a_whole_ollama_has_no_finding() -> None:
    """As the engines' recipe installs it, with its llama-server."""
    assert reported(engines.check_ollama(ollama.installed(_program()))) == []


@pytest.mark.needs("ollama")
def test_an_ollama_that_was_built_alone_is_incomplete(tmp_path: Path) -> None:
    """The real program, copied to where there is no llama-server."""
    alone = tmp_path / "bin" / "ollama"
    alone.parent.mkdir()
    shutil.copy(_program(), alone)

    (found,) = engines.check_ollama(ollama.installed(alone))
    assert (found.id, found.severity) == ("OLLAMA-INCOMPLETE", "blocker")
    assert f"no llama-server in {tmp_path / 'lib' / 'ollama'}" in found.evidence


def test_a_bridge_is_taken_for_no_ollama(stacks: Stacks) -> None:
    """Neither as the engine nor as an offer on Ollama's port."""
    url = stacks[EMBEDDED].bridge.url
    seen = ollama.find(PlannedEngine("ollama", False, "a test", url), runs=False)
    held = ports.look("ollama", "ports.ollama", int(url.rpartition(":")[2]))

    assert seen is not None
    assert reported(engines.check_ollama(seen)) == [("OLLAMA-IS-BRIDGE", "blocker")]
    assert held is not None
    assert reported(ports.check(held, Native())) == [("PORT-TAKEN", "blocker")]
