"""Which engine a native stack uses, and why; over every combination of what may be there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Literal

import pytest

from embedstack.deploy.machine.gpu import Gpu
from embedstack.deploy.places import Places
from embedstack.deploy.plan.engines import Blocker, Facts, choose
from embedstack.deploy.plan.plan import PlannedEngine
from embedstack.deploy.settings import EngineSettings, PortSettings, Settings, VllmSettings
from embedstack.deploy.stack import planning
from embedstack.models import catalog

URL = "http://127.0.0.1:11434"
NOTHING = Facts(URL)
RUNS = Facts(URL, version="0.34.4", ollama=Path("/usr/bin/ollama"))
INSTALLED = Facts(URL, ollama=Path("/usr/bin/ollama"))


def chosen(facts: Facts, model: str = "qwen3-embedding:4b", **engine: object) -> PlannedEngine | Blocker:
    settings = Settings(engine=EngineSettings(**engine))  # type: ignore[arg-type]
    return choose(settings, catalog.load().find(model).model, facts)


def engine_of(found: PlannedEngine | Blocker) -> tuple[str, bool]:
    assert isinstance(found, PlannedEngine), found
    return found.kind, found.managed


def test_an_ollama_that_runs_is_used_and_not_ours_to_stop() -> None:
    """Its address and version are reported."""
    found = chosen(RUNS)
    assert engine_of(found) == ("ollama", False)
    assert isinstance(found, PlannedEngine)
    assert found.reason == "an Ollama 0.34.4 runs at http://127.0.0.1:11434"
    assert found.url == URL


def test_one_that_this_stack_has_started_stays_the_stacks() -> None:
    """The second `up` finds it running, and `down` still has to stop it."""
    assert chosen(INSTALLED) == chosen(Facts(URL, version="0.34.4", ours=True, ollama=Path("/usr/bin/ollama")))
    assert engine_of(chosen(INSTALLED)) == ("ollama", True)


def test_without_an_ollama_llama_cpp_inside_the_bridge_says_that_it_is_slow() -> None:
    """On a machine without a GPU nothing is faster."""
    found = chosen(NOTHING)
    assert engine_of(found) == ("embedded", True)
    assert isinstance(found, PlannedEngine)
    assert "on the CPU" in found.reason


@pytest.mark.parametrize(("model", "said"), [("demo", {}), ("qwen3-embedding:4b", {"cpu": True})])
def test_a_gpu_without_its_engine_is_no_hindrance_where_the_cpu_will_do(model: str, said: dict[str, object]) -> None:
    """The demo model needs none, and --cpu says so of another."""
    assert engine_of(chosen(Facts(URL, gpu="NVIDIA L4"), model, **said)) == ("embedded", True)


def test_the_real_model_never_runs_on_the_cpu_in_silence() -> None:
    """A GPU without an engine for it stops, with the step that helps and the flag that overrides."""
    found = chosen(Facts(URL, gpu="NVIDIA L4"))
    assert isinstance(found, Blocker)
    assert "NVIDIA L4" in found.message
    assert "Install Ollama" in found.advice
    assert "--cpu" in found.advice


def test_the_gpu_of_a_mac_is_used_by_llama_cpp_inside_the_bridge() -> None:
    """Through Metal: nothing is left idle, and nothing blocks."""
    found = chosen(Facts(URL, gpu="Apple GPU (Metal)", metal=True))
    assert engine_of(found) == ("embedded", True)
    assert isinstance(found, PlannedEngine)
    assert found.reason == "no Ollama is here; llama.cpp inside the bridge, on the Apple GPU (Metal)"


@pytest.mark.parametrize(("kind", "metal"), [("nvidia", False), ("rocm", False), ("apple", True)])
def test_a_gpu_is_reported_with_whether_it_is_apples(
    kind: Literal["nvidia", "rocm", "apple"], metal: bool, tmp_path: Path
) -> None:
    """Its name, for people, and what decides."""
    found = planning.look_at_engine(
        Settings(engine=EngineSettings(url="http://127.0.0.1:1")), Places(tmp_path), {}, gpu=Gpu(kind, "GPU 1", 1)
    )

    assert (found.gpu, found.metal) == ("GPU 1", metal)


@pytest.mark.parametrize("kind", ["auto", "ollama"])
def test_an_address_that_is_the_stacks_own_is_as_none(kind: str) -> None:
    """It answers, since this stack runs it; that it is named in the settings changes nothing."""
    own = Facts(URL, version="0.34.4", ours=True, ollama=Path("/usr/bin/ollama"))

    assert chosen(own, kind=kind, url=URL) == chosen(INSTALLED, kind=kind)


@pytest.mark.parametrize("kind", ["auto", "ollama"])
def test_an_address_that_was_named_and_does_not_answer_is_not_replaced(kind: str) -> None:
    """Another Ollama than the one meant would hold other models."""
    found = chosen(INSTALLED, kind=kind, url=URL)
    assert isinstance(found, Blocker)
    assert URL in found.message


def test_an_ollama_that_is_asked_for_and_nowhere_is_a_blocker() -> None:
    """Nothing else is taken in its place."""
    assert isinstance(chosen(NOTHING, kind="ollama"), Blocker)


def test_the_embedded_engine_can_be_asked_for_beside_an_ollama() -> None:
    """By name it is not silence."""
    assert engine_of(chosen(RUNS, kind="embedded")) == ("embedded", True)


def test_vllm_needs_its_program_and_a_gpu_or_cpu_said() -> None:
    """Each missing thing is named."""
    program = Path("/usr/bin/vllm")
    missing = chosen(Facts(URL, gpu="NVIDIA L4"), kind="vllm")
    assert isinstance(missing, Blocker)
    assert "vllm.program" in missing.advice
    blind = chosen(Facts(URL, vllm=program), kind="vllm")
    assert isinstance(blind, Blocker)
    assert "--cpu" in blind.advice
    assert engine_of(chosen(Facts(URL, vllm=program, gpu="NVIDIA L4"), kind="vllm")) == ("vllm", True)
    assert engine_of(chosen(Facts(URL, vllm=program), kind="vllm", cpu=True)) == ("vllm", True)


def test_the_vllm_of_the_settings_comes_before_the_one_on_path() -> None:
    """It may be in an environment of its own."""
    settings = Settings(engine=EngineSettings(kind="vllm", cpu=True), vllm=VllmSettings(program=Path("/own/vllm")))
    found = choose(settings, catalog.load().find("demo").model, Facts(URL, vllm=Path("/usr/bin/vllm")))
    assert isinstance(found, PlannedEngine)
    assert found.program == Path("/own/vllm")


@contextmanager
def serving(**reported: str) -> Iterator[str]:
    """An address where /api/version tells this, and every other path is answered with 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/version" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(reported).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_an_ollama_is_found_at_the_address_of_the_environment(tmp_path: Path) -> None:
    """OLLAMA_HOST as Ollama reads it; engine.url comes before it."""
    with serving(version="0.34.4") as url:
        found = planning.look_at_engine(Settings(), Places(tmp_path), {"OLLAMA_HOST": url.partition("//")[2]}, gpu=None)
        assert (url, "0.34.4", False) == (found.url, found.version, found.ours)
        port = int(url.rpartition(":")[2])
        listens = planning.look_at_engine(Settings(), Places(tmp_path), {"OLLAMA_HOST": f"0.0.0.0:{port}"}, gpu=None)
        assert listens.url == url
        named = planning.look_at_engine(
            Settings(engine=EngineSettings(url=url)), Places(tmp_path), {"OLLAMA_HOST": "127.0.0.1:1"}, gpu=None
        )
        assert named.version == "0.34.4"
        ports = PortSettings(ollama=port)
        assert planning.look_at_engine(Settings(ports=ports), Places(tmp_path), {}, gpu=None).version == "0.34.4"


def test_a_bridge_is_not_taken_for_an_ollama(tmp_path: Path) -> None:
    """It answers as one, and would be put before itself: a fact, and no error for who wants another engine."""
    with serving(version="0.34.4", bridge="0.1.0") as url:
        named = planning.look_at_engine(Settings(engine=EngineSettings(url=url)), Places(tmp_path), {}, gpu=None)
        hosted = planning.look_at_engine(Settings(), Places(tmp_path), {"OLLAMA_HOST": url}, gpu=None)

    assert (named.version, named.bridge, named.named) == (None, True, "engine.url")
    assert (hosted.bridge, hosted.named) == (True, "OLLAMA_HOST")


@pytest.mark.parametrize("kind", ["auto", "ollama"])
@pytest.mark.parametrize("named", ["engine.url", "OLLAMA_HOST"])
def test_a_bridge_that_was_named_is_a_blocker_where_an_ollama_would_be_taken(kind: str, named: str) -> None:
    """What named it is reported; the embedded engine does not mind."""
    facts = Facts(URL, ollama=Path("/usr/bin/ollama"), bridge=True, named=named)
    found = chosen(facts, kind=kind)

    assert isinstance(found, Blocker)
    assert f"{named} names {URL}, which is a bridge" in found.message
    assert engine_of(chosen(facts, kind="embedded")) == ("embedded", True)


def test_a_bridge_that_nobody_named_is_as_no_ollama() -> None:
    """It is on the usual port by chance."""
    assert chosen(Facts(URL, bridge=True)) == chosen(NOTHING)
