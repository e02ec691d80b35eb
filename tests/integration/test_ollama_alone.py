"""The real Ollama without the llama-server that it needs: found before it is started, and if it runs already."""

import os
import shutil
from pathlib import Path

import pytest

from embedstack.deploy.console import Report
from embedstack.deploy.errors import EngineNotUsable, EngineRefused
from embedstack.deploy.ollama.create import create
from embedstack.deploy.ollama.locate import Installed, installed
from embedstack.deploy.ollama.server import Ollama
from embedstack.models.demo.build import DemoFiles
from tests.engines.locate import locate
from tests.engines.process import free_port, process, wait_until_ready

pytestmark = pytest.mark.needs("ollama")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program, copied away from what lies beside it."""
    engine = locate("ollama")
    assert engine is not None
    (tmp_path / "bin").mkdir()
    return Path(shutil.copy2(engine.program("ollama"), tmp_path / "bin" / "ollama"))


def test_the_whole_one_is_taken() -> None:
    """Its own version is read from the program, no matter who serves at OLLAMA_HOST."""
    engine = locate("ollama")
    assert engine is not None
    program = engine.program("ollama")
    assert installed(program) == Installed(program, engine.version, "")


def test_it_is_refused_before_it_is_started(program: Path) -> None:
    """The message says what is missing and where; the advice how it gets there."""
    with pytest.raises(EngineNotUsable, match="without llama-server") as refused:
        installed(program)
    assert str(program.parents[1] / "lib" / "ollama") in refused.value.message
    assert "own installer" in refused.value.advice


def test_where_it_runs_the_first_vector_says_so(
    program: Path, demo: DemoFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that somebody else has started so answers to everything but an embedding."""
    monkeypatch.setenv("EMBEDSTACK_HOME", str(tmp_path / "home"))
    port, log = free_port(), tmp_path / "log.txt"
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OLLAMA_HOST": f"127.0.0.1:{port}",
        "OLLAMA_MODELS": str(tmp_path / "models"),
    }
    with process([str(program), "serve"], env=environment, log=log) as child, Ollama(url) as server:
        wait_until_ready(child, f"{url}/api/version", seconds=60, log=log)
        create(server, "made", demo.gguf, demo.sha256, {"num_ctx": 64}, Report("test", as_json=True))
        with pytest.raises(EngineRefused, match="llama-server") as refused:
            server.embed("made", ["hello"])
        assert "lacks llama.cpp's programs" in refused.value.advice
