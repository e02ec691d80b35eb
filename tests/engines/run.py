"""The real engines, running: one context manager each, on a free loopback port and ready when it is entered."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.engines.locate import Engine, locate
from tests.engines.process import (
    EngineError,
    Running,
    children,
    free_port,
    process,
    scratch_folder,
    wait_until_ready,
)

# Of the outer environment only what a program needs to run at all: an OLLAMA_… or VLLM_… of the person who runs the
# tests must not change what is tested, nor their home folder be written to.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")

# Every engine that has served in this process, with its version, for anyone who must say what was tested against.
STARTED: set[str] = set()


@contextmanager
def llama_server(
    gguf: Path, *, ctx: int = 8192, batch: int = 8192, parallel: int = 1, args: Sequence[str] = ()
) -> Iterator[Running]:
    """llama.cpp's `llama-server` with `gguf`; `ctx` tokens for each of `parallel` slots, `args` appended.

    Pooling is the one that the GGUF names. The physical batch is the logical one: a text is pooled only within it.
    """
    engine = _installed("llama.cpp")
    port = free_port()
    argv = [
        *(str(engine.program("llama-server")), "--model", str(gguf), "--host", "127.0.0.1", "--port", str(port)),
        *("--ctx-size", str(ctx * parallel), "--batch-size", str(batch), "--ubatch-size", str(batch)),
        *("--parallel", str(parallel), "--embeddings", "--cache-ram", "0", "--threads", "1", *args),
    ]
    with _served(engine, argv, port=port, ready="/health", seconds=60) as running:
        yield running


@contextmanager
def ollama_server(models: Path, *, env: Mapping[str, str] | None = None, host: str = "127.0.0.1") -> Iterator[Running]:
    """`ollama serve` with its models in `models`, and `env` on top of its environment; `host`: where it listens."""
    engine = _installed("ollama")
    port = free_port()
    settings = {
        "OLLAMA_HOST": f"{host}:{port}",
        "OLLAMA_MODELS": str(models),
        "OLLAMA_NO_CLOUD": "1",
        **(env or {}),
    }
    argv = [str(engine.program("ollama")), "serve"]
    with _served(engine, argv, port=port, ready="/api/version", seconds=60, env=settings) as running:
        yield running


def ollama_create(running: Running, name: str, gguf: Path, parameters: Mapping[str, object] | None = None) -> None:
    """`ollama create NAME` from a Modelfile that says FROM `gguf` and sets `parameters`. EngineError with its output.

    Without `parameters`, context and batch are 8192: Ollama's own batch of 2048 would cut longer texts.
    """
    parameters = {"num_ctx": 8192, "num_batch": 8192} if parameters is None else parameters
    lines = [f"FROM {gguf.absolute()}", *(f"PARAMETER {key} {value}" for key, value in parameters.items())]
    with scratch_folder("modelfile") as folder:
        modelfile = folder / "Modelfile"
        modelfile.write_text("\n".join(lines) + "\n")
        ollama_command(running, "create", name, "-f", str(modelfile))


def ollama_command(running: Running, *arguments: str) -> str:
    """What the `ollama` command line prints when it is pointed at `running`. EngineError unless it exits 0."""
    with scratch_folder("ollama-home") as home:
        done = subprocess.run(
            [str(_installed("ollama").program("ollama")), *arguments],
            env=_environment(home, {"OLLAMA_HOST": running.url}),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    if done.returncode:
        raise EngineError(f"ollama {' '.join(arguments)} exited with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def runner_pids(running: Running) -> list[int]:
    """The `llama-server` processes that the Ollama `running` has started and that are alive."""
    return children(running.pid, "llama-server")


@contextmanager
def vllm_server(
    hf_folder: Path, *, served_model_name: str, max_model_len: int = 8192, matryoshka: Sequence[int] = ()
) -> Iterator[Running]:
    """`vllm serve` on the CPU in float32; `matryoshka` has the `dimensions` that it shall allow, if any."""
    engine = _installed("vllm")
    port = free_port()
    argv = [
        *(str(engine.program("vllm")), "serve", str(hf_folder), "--served-model-name", served_model_name),
        *("--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(max_model_len)),
        *("--runner", "pooling", "--convert", "embed", "--dtype", "float32", "--enforce-eager"),
    ]
    if matryoshka:
        overrides = {"is_matryoshka": True, "matryoshka_dimensions": list(matryoshka)}
        argv += ["--hf-overrides", json.dumps(overrides)]
    settings = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        # What vLLM learns about a model class in a process of its own: kept, it saves eight seconds a start.
        "VLLM_CACHE_ROOT": str(engine.folder / "cache"),
    }
    with _served(engine, argv, port=port, ready="/health", seconds=600, env=settings) as running:
        yield running


@contextmanager
def weaviate_server(grpc_port: int, *, env: Mapping[str, str]) -> Iterator[Running]:
    """Weaviate on loopback with nothing in it, `env` on top of what one node that is alone needs."""
    engine = _installed("weaviate")
    port = free_port()
    with scratch_folder("weaviate-data") as data:
        settings = {
            **env,
            "PERSISTENCE_DATA_PATH": str(data),
            "GRPC_PORT": str(grpc_port),
            "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
            "CLUSTER_BIND_ADDR": "127.0.0.1",
            "CLUSTER_GOSSIP_BIND_PORT": str(free_port()),
            "CLUSTER_DATA_BIND_PORT": str(free_port()),
            "RAFT_PORT": str(free_port()),
            "RAFT_INTERNAL_RPC_PORT": str(free_port()),
            "RAFT_BOOTSTRAP_EXPECT": "1",
            "GO_PROFILING_DISABLE": "true",
        }
        argv = [str(engine.program("weaviate-server")), "--host", "127.0.0.1", "--port", str(port), "--scheme", "http"]
        with _served(engine, argv, port=port, ready="/v1/.well-known/ready", seconds=120, env=settings) as running:
            yield running


@contextmanager
def _served(
    engine: Engine,
    argv: Sequence[str],
    *,
    port: int,
    ready: str,
    seconds: float,
    env: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    url = f"http://127.0.0.1:{port}"
    with scratch_folder(engine.name) as folder:
        log = folder / "log.txt"
        with process(argv, env=_environment(folder, env or {}), log=log) as child:
            wait_until_ready(child, url + ready, seconds=seconds, log=log)
            STARTED.add(f"{engine.name} {engine.version}")
            yield Running(url=url, pid=child.pid, log=log, name=engine.name, version=engine.version)


def _environment(home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**passed_on, "HOME": str(home), "TMPDIR": str(home), **settings}


def _installed(name: str) -> Engine:
    engine = locate(name)
    if engine is None:
        raise EngineError(f"{name} is not installed: run `python -m tests.engines --only {name}`")
    return engine
