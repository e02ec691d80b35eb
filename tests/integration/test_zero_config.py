"""With nothing configured the bridge takes the Ollama that answers, or stops and names three ways on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import bridge as start
from tests.engines.process import free_port
from tests.paths import ROOT
from tests.stacks import Stacks

THREE_WAYS = ("embed-bridge --demo", "embed-bridge --gguf PATH", "embed-bridge --upstream URL")


def run(
    folder: Path, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`embed-bridge ARGUMENTS` in an empty folder, with nothing in its environment but `env`; it must end by itself."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder), **(env or {})}
    command = [sys.executable, "-m", "embedstack.bridge", "--listen", f"127.0.0.1:{free_port()}", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def something_that_is_no_ollama() -> Iterator[int]:
    """A web server that answers everything with 404, as a port that is somebody else's."""

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def assert_three_ways(done: subprocess.CompletedProcess[str], url: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(
        f"embed-bridge: No engine is configured, and no Ollama answers at {url}. Three ways on:"
    )
    assert [way for way in THREE_WAYS if way not in done.stderr] == []
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "http://0.0.0.0:{}/"])
def test_without_an_ollama_it_names_three_ways(tmp_path: Path, form: str) -> None:
    """Exit status 2, on standard error, with the address that was tried."""
    port = free_port()

    assert_three_ways(run(tmp_path, env={"OLLAMA_HOST": form.format(port)}), f"http://127.0.0.1:{port}")


def test_an_ollama_host_that_names_none_is_reported(tmp_path: Path) -> None:
    """Exit status 2 and a line that names the variable, without the password in it."""
    done = run(tmp_path, env={"OLLAMA_HOST": "http://me:secret@box:11434"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("embed-bridge: OLLAMA_HOST: expected HOST")
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_whatever_else_answers_there_is_not_taken_for_an_ollama(tmp_path: Path) -> None:
    """Another program on that port is not an engine."""
    with something_that_is_no_ollama() as port:
        assert_three_ways(run(tmp_path, env={"OLLAMA_HOST": f"127.0.0.1:{port}"}), f"http://127.0.0.1:{port}")


def test_the_first_way_works() -> None:
    """--demo asks for no Ollama, even where OLLAMA_HOST names one that is away."""
    with start("--demo", env={"OLLAMA_HOST": f"127.0.0.1:{free_port()}"}) as running:
        assert len(running.embed("x")[0]) == 2560


@pytest.mark.thorough
def test_the_second_way_works(demo: DemoFiles) -> None:
    """--gguf runs a model file with the engine that comes along."""
    with start("--gguf", str(demo.gguf), "--set", "model.id=demo") as running:
        assert running.ready()["backends"][0]["engine"] == "embedded"
        assert len(running.embed("x")[0]) == 2560


def test_the_third_way_waits_for_its_engine() -> None:
    """--upstream was said, so the bridge serves and tells what is missing until the engine is there."""
    with start("--upstream", f"http://127.0.0.1:{free_port()}", "--set", "model.id=demo", wait_ready=False) as running:
        assert requests.get(f"{running.url}/healthz", timeout=60).status_code == 200
        assert "No engine answers" in running.wait_state()["backends"][0]["reason"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gguf", "nowhere.gguf", "--set", "model.id=nothing"], "model.id: "),
        (["--frobnicate"], "--frobnicate"),
        (["--set", "engine.kind=embedded"], "engine.gguf"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_command_line_is_refused_before_anything_starts(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Exit status 2 and one line that names the trouble; never a traceback."""
    done = run(tmp_path, arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("embed-bridge: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.needs("ollama")
def test_the_ollama_at_ollama_host_is_taken(stacks: Stacks) -> None:
    """Nothing but the model's name is configured; the engine is found, examined and used."""
    upstream = stacks.upstream("ollama")
    with start("--set", "model.id=demo", env={"OLLAMA_HOST": upstream.url.removeprefix("http://")}) as running:
        (backend,) = running.wait_state()["backends"]

        assert (backend["engine"], backend["version"]) == ("ollama", upstream.version)
        assert len(running.embed("x")[0]) == 2560


@pytest.mark.needs("ollama")
def test_an_ollama_without_the_model_is_shown_how_to_get_it(stacks: Stacks) -> None:
    """The default is the 4B; the answer names the command that fetches it."""
    upstream = stacks.upstream("ollama")
    with start(env={"OLLAMA_HOST": upstream.url}, wait_ready=False) as running:
        (backend,) = running.wait_state()["backends"]

        assert "has no model 'qwen3-embedding:4b'" in backend["reason"]
        assert "ollama pull qwen3-embedding:4b" in backend["next"]
