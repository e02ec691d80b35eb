"""What is measured: nothing, nginx, LiteLLM and the bridge, each before the same scripted upstream."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import golden, litellm, nginx
from benchmarks.processes import Cores, pinned
from benchmarks.shapes import MODEL, OLLAMA, OPENAI, Shape
from embedstack import __version__
from embedstack.host import processes
from tests.bridge_process import bridge
from tests.engines.process import free_port, process, wait_until_ready

ROOT = Path(__file__).parent.parent
BRIDGE = "bridge"
HIT = f"{BRIDGE}, cache hit"
DIRECT = "direct"
# As before vLLM, which takes many at once. (Ollama is asked one at a time whatever is set.)
CONCURRENCY = 16


@dataclass(frozen=True)
class Subject:
    """Something that answers on a loopback port. `pid` is the process whose memory and CPU time count."""

    name: str
    version: str
    port: int
    pid: int
    shapes: tuple[Shape, ...]


Start = Callable[[], AbstractContextManager[Subject]]


@contextmanager
def upstream(folder: Path, cores: Cores) -> Iterator[Subject]:
    """The scripted upstream, and what asking it directly costs. `folder` gets its vectors and its log."""
    file, log, port = folder / "known.json", folder / "upstream.log", free_port()
    golden.capture(file)
    argv = processes.command("-m", "benchmarks.upstream", str(port), str(file))
    environment = {**environ(), "PYTHONPATH": str(ROOT)}
    with pinned(cores.upstream), process(argv, env=environment, log=log) as child:
        wait_until_ready(child, f"http://127.0.0.1:{port}/", seconds=30, log=log)
        yield Subject(DIRECT, "", port, child.pid, (*OPENAI, OLLAMA))


def starts(engine: Subject, folder: Path, cores: Cores) -> Mapping[str, Start]:
    """How to start each of them before `engine`, by name; the alternatives first."""
    return {
        "nginx": partial(_nginx, engine, folder, cores),
        "LiteLLM": partial(_litellm, engine, folder, cores),
        BRIDGE: partial(_bridge, engine, cores, BRIDGE, "openai", OPENAI),
        HIT: partial(_bridge, engine, cores, HIT, "openai", OPENAI, cached=True),
        f"{BRIDGE} before Ollama": partial(_bridge, engine, cores, f"{BRIDGE} before Ollama", "ollama", (OLLAMA,)),
    }


def environ() -> dict[str, str]:
    """Of the outer environment only what a program needs to run at all."""
    return {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH") if name in os.environ}


@contextmanager
def _nginx(engine: Subject, folder: Path, cores: Cores) -> Iterator[Subject]:
    program, port, log = nginx.find(), free_port(), folder / "nginx.log"
    home = folder / "nginx"
    argv = nginx.command(program, home, port=port, upstream=engine.port)
    with pinned(cores.measured), process(argv, env=environ(), log=log) as child:
        wait_until_ready(child, f"http://127.0.0.1:{port}/", seconds=30, log=log)
        yield Subject("nginx", nginx.version(program), port, child.pid, engine.shapes)


@contextmanager
def _litellm(engine: Subject, folder: Path, cores: Cores) -> Iterator[Subject]:
    program, port, log = litellm.install(), free_port(), folder / "litellm.log"
    argv = litellm.command(program, folder / "litellm.yaml", port=port, upstream=engine.port)
    environment = {**environ(), **litellm.ENVIRONMENT, "HOME": str(folder)}
    with pinned(cores.measured), process(argv, env=environment, log=log) as child:
        wait_until_ready(child, f"http://127.0.0.1:{port}/health/liveliness", seconds=180, log=log)
        yield Subject("LiteLLM", litellm.VERSION, port, child.pid, OPENAI)


@contextmanager
def _bridge(
    engine: Subject, cores: Cores, name: str, kind: str, shapes: tuple[Shape, ...], *, cached: bool = False
) -> Iterator[Subject]:
    settings = {"engine.kind": kind, "model.id": MODEL, "model.precision": "f16"}
    if kind == "openai":
        settings["engine.concurrency"] = str(CONCURRENCY)
    arguments = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    upstream = f"http://127.0.0.1:{engine.port}"
    with pinned(cores.measured), bridge("--upstream", upstream, *arguments, cached=cached) as running:
        yield Subject(name, __version__, int(running.url.rpartition(":")[2]), running.pid, shapes)
