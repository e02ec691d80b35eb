"""Several real engines as one: parts put together, one ended in the middle, others added and taken out."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import requests
import yaml

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import Bridge, bridge
from tests.engines.locate import locate
from tests.engines.process import free_port
from tests.engines.run import ollama_create, ollama_server
from tests.random_fixture import RandomFixture
from tests.stacks import Stacks
from tests.upstreams.crowd import Crowd, until
from tests.upstreams.llama import llama_child
from tests.upstreams.load import wait_until
from tests.upstreams.recorder import Recorder, recorder

MODEL = ("--set", "model.id=demo", "--set", "model.precision=f16")
OPENAI = ("--set", "engine.kind=openai")


@pytest.fixture(scope="module")
def llama(demo: DemoFiles) -> Iterator[str]:
    with llama_child(demo.gguf, model="demo") as url:
        yield url


@pytest.fixture
def two(llama: str) -> Iterator[tuple[tuple[str, Recorder], tuple[str, Recorder]]]:
    """Two addresses of a real engine, and what was asked at each."""
    with recorder(llama) as one, recorder(llama) as other:
        yield one, other


@pytest.fixture(scope="module")
def quantised(demo: DemoFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model at Q8_0, by llama.cpp's own tool."""
    engine = locate("llama.cpp")
    assert engine is not None
    made = tmp_path_factory.mktemp("quantised") / "demo-q8_0.gguf"
    command = [str(engine.program("llama-quantize")), str(demo.gguf), str(made), "Q8_0"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return made


def upstreams(*urls: str) -> tuple[str, ...]:
    return ("--set", f"pool.upstreams=[{', '.join(urls)}]")


def texts(count: int) -> list[str]:
    return [f"text number {number} of those that are split over the engines" for number in range(count)]


def test_a_pool_is_ready_without_a_false_alarm(
    llama: str, two: tuple[tuple[str, Recorder], tuple[str, Recorder]]
) -> None:
    """Three engines that agree join at their first examination, side by side."""
    (one, _), (other, _) = two
    with bridge(*MODEL, *OPENAI, *upstreams(llama, one, other)) as running:
        wait_until(lambda: _ready(running) == 3, within=30, what="all three")
        assert "is out" not in running.log.read_text()


@pytest.mark.thorough
def test_a_batch_is_split_and_put_together(two: tuple[tuple[str, Recorder], tuple[str, Recorder]]) -> None:
    """Both engines are asked, each text once, and the answer is that of one engine alone."""
    (one, first), (other, second) = two
    with bridge(*MODEL, *OPENAI, "--upstream", one) as alone:
        expected = np.array(alone.embed(*texts(20)))
    with bridge(*MODEL, *OPENAI, *upstreams(one, other)) as running:
        wait_until(lambda: all(b["ready"] for b in running.ready()["backends"]), within=30, what="both engines")
        first.clear()
        second.clear()
        got = np.array(running.embed(*texts(20)))

    assert np.einsum("ij,ij->i", expected, got).min() >= 0.99999
    assert sorted(first.texts + second.texts) == sorted(text.encode() for text in texts(20))
    assert min(len(first.texts), len(second.texts)) >= 4


@pytest.mark.thorough
def test_one_engine_ends_and_comes_back(llama: str) -> None:
    """Two hundred clients wait while one of two is killed: all get their vectors, /readyz tells what happened, and the
    engine serves again once it is back, without a restart of the bridge."""
    port = free_port()

    def one_is_left(running: Bridge) -> bool:
        """Nothing but traffic tells the bridge."""
        running.embed(*texts(20))
        return _ready(running) == 1

    async def go(running: Bridge, life: ExitStack) -> None:
        crowd = asyncio.create_task(Crowd(running.url).ask_all(texts(200)))
        await until(lambda: _calls(running) > 10)
        life.close()
        replies = await crowd
        assert [reply.status for reply in replies] == [200] * 200
        wait_until(lambda: one_is_left(running), within=30, what="its loss is noticed")
        assert running.ready()["ready"]

    with ExitStack() as life:
        dying, _ = life.enter_context(recorder(llama, port=port))
        with bridge(*MODEL, *OPENAI, *upstreams(llama, dying)) as running:
            wait_until(lambda: all(b["ready"] for b in running.ready()["backends"]), within=30, what="both engines")
            asyncio.run(go(running, life))
            with recorder(llama, port=port):
                wait_until(lambda: all(b["ready"] for b in running.ready()["backends"]), within=30, what="its return")
                assert len(running.embed(*texts(10))) == 10


def test_engines_are_added_and_taken_out_by_a_signal(
    two: tuple[tuple[str, Recorder], tuple[str, Recorder]], tmp_path: Path
) -> None:
    """SIGHUP rereads the configuration: the new one is examined before it is used, the other gets nothing more; a file
    that cannot be used changes nothing."""
    (one, first), (other, second) = two
    file = tmp_path / "embed-bridge.yaml"

    def write(*urls: str) -> None:
        document = {"model": {"id": "demo", "precision": "f16"}, "engine": {"kind": "openai"}}
        file.write_text(yaml.safe_dump({**document, "pool": {"upstreams": list(urls)}}))

    write(one)
    with bridge("--config", str(file)) as running:
        write(one, other)
        os.kill(running.pid, signal.SIGHUP)
        wait_until(lambda: _ready(running) == 2, within=30, what="the second engine")
        write(other)
        os.kill(running.pid, signal.SIGHUP)
        wait_until(lambda: len(running.ready()["backends"]) == 1, within=30, what="the first has gone")
        first.clear()
        second.clear()
        running.embed(*texts(8))
        assert (len(first.texts), len(second.texts)) == (0, 8)

        file.write_text("pool: {upstreams: nonsense}")
        os.kill(running.pid, signal.SIGHUP)
        wait_until(lambda: "left as it was" in running.log.read_text(), within=30, what="the complaint")
        assert _ready(running) == 1


def test_a_wrong_engine_is_kept_out_and_named(llama: str, random_fixture: RandomFixture) -> None:
    """Another model under the right name: refused with what it failed, in /readyz, in the log and in a metric; the
    other engine serves on."""
    with (
        llama_child(random_fixture.gguf, model="demo") as wrong,
        bridge(*MODEL, *OPENAI, *upstreams(llama, wrong)) as running,
    ):
        wait_until(lambda: _state(running, wrong)["state"] == "refused", within=30, what="a verdict")
        state = _state(running, wrong)
        assert not state["ready"]
        assert "fails the parity gate" in state["reason"]
        assert wrong in running.log.read_text()
        metrics = requests.get(f"{running.url}/metrics", timeout=10).text
        assert f'embed_bridge_engine_ready{{backend="openai {wrong}"}} 0.0' in metrics
        assert any(
            line.startswith(f'embed_bridge_gate_check{{backend="openai {wrong}"') and line.endswith(" 0.0")
            for line in metrics.splitlines()
        )
        assert len(running.embed(*texts(8))) == 8


@pytest.mark.needs("ollama", "llama.cpp")
def test_a_second_ollama_with_another_quantisation_is_kept_out(stacks: Stacks, quantised: Path, tmp_path: Path) -> None:
    """Its vectors are near, and yet another space: precisions never share a pool."""
    with ollama_server(tmp_path / "ollama") as second:
        ollama_create(second, "demo", quantised)
        first = stacks.upstream("ollama").url
        with bridge(*MODEL, *upstreams(first, second.url)) as running:
            wait_until(lambda: _state(running, second.url)["state"] == "refused", within=60, what="a verdict")
            assert "quantisation" in _state(running, second.url)["reason"]
            assert _ready(running) == 1
            assert len(running.embed(*texts(8))) == 8


@pytest.mark.needs("ollama", "llama.cpp")
def test_a_model_that_is_replaced_behind_a_running_bridge_is_found_out(
    demo: DemoFiles, quantised: Path, tmp_path: Path
) -> None:
    """`ollama create` under the same name, of another precision: within seconds nothing more comes from it."""
    with ollama_server(tmp_path / "ollama") as ollama:
        ollama_create(ollama, "demo", demo.gguf)
        with bridge(*MODEL, "--upstream", ollama.url, "--set", "engine.patience=1") as running:
            running.embed("before")
            ollama_create(ollama, "demo", quantised)

            def refused() -> bool:
                return running.post("/api/embed", {"model": "demo", "input": "after"}).status_code == 503

            wait_until(refused, within=30, what="a refusal")
            wait_until(lambda: _state(running, ollama.url)["state"] == "refused", within=30, what="a verdict")
            ollama_create(ollama, "demo", demo.gguf)
            wait_until(lambda: running.ready()["ready"], within=90, what="the right model again")
            running.embed("as before")


def test_every_answer_says_what_it_is_and_what_it_took(llama: str) -> None:
    """Fingerprint, cache and timings, at both doors and the legacy route."""
    with bridge(*MODEL, "--upstream", llama) as running:
        fingerprint = running.ready()["fingerprint"]
        for path, body in (
            ("/api/embed", {"model": "demo", "input": "x"}),
            ("/api/embeddings", {"model": "demo", "prompt": "x"}),
            ("/v1/embeddings", {"model": "demo", "input": "x"}),
        ):
            headers = running.post(path, body).headers
            assert (headers["X-Embed-Fingerprint"], headers["X-Embed-Cache"]) == (fingerprint, "miss")
            stages = dict(stage.split(";dur=") for stage in headers["Server-Timing"].split(", "))
            assert list(stages) == ["cache", "queue", "engine", "encode"]
            assert float(stages["engine"]) > 0


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X-Embed-Lane": "fast"}, "invalid_lane"),
        ({"X-Request-Timeout": "soon"}, "invalid_timeout"),
        ({"X-Request-Timeout": "0"}, "invalid_timeout"),
        ({"X-Request-Timeout": "nan"}, "invalid_timeout"),
    ],
)
def test_a_header_that_means_nothing_is_refused(bridge: Bridge, headers: dict[str, str], code: str) -> None:
    """And not taken for its default."""
    response = bridge.post("/api/embed", {"model": "demo", "input": "x"}, headers=headers)

    assert (response.status_code, response.headers["X-Embed-Error"]) == (400, code)


def _calls(running: Bridge) -> float:
    lines = requests.get(f"{running.url}/metrics", timeout=10).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("embed_bridge_engine_call_seconds_count"))


def _ready(running: Bridge) -> int:
    return sum(backend["ready"] for backend in running.ready()["backends"])


def _state(running: Bridge, url: str) -> dict[str, object]:
    state: dict[str, object] = next(b for b in running.ready()["backends"] if b["name"].endswith(url))
    return state
