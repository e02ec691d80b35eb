"""Real engines with the demo model, each with a bridge before it; started at first use, kept for the session."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.bridge_process import Bridge, bridge
from tests.engines.process import Running
from tests.engines.run import llama_server, ollama_create, ollama_server, vllm_server

EMBEDDED = "embedded"


@dataclass(frozen=True)
class Stack:
    """A bridge and, unless the engine is the bridge's own, the engine behind it."""

    engine: str
    bridge: Bridge
    upstream: Running | None = None


@dataclass(frozen=True)
class Served:
    """A fixture model in both forms, and what a bridge must be given to know it."""

    name: str
    gguf: Path
    hf: Path
    arguments: tuple[str, ...] = ()


class Stacks:
    """`stacks["ollama"]` is a running stack."""

    def __init__(self, model: Served, folder: Path) -> None:
        self._model = model
        self._folder = folder
        self._exit = ExitStack()
        self._running: dict[str, Stack] = {}
        self._upstreams: dict[str, Running] = {}
        self.versions: set[str] = set()

    def __enter__(self) -> Stacks:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._exit.close()

    def __getitem__(self, engine: str) -> Stack:
        if engine not in self._running:
            self._running[engine] = self._start(engine)
            if engine == EMBEDDED:
                own = self._running[engine].bridge.ready()["backends"][0]["version"]
                self.versions.add(f"{engine} {own}")
        return self._running[engine]

    def changed(self) -> dict[str, object]:
        """What a test has left behind in the bridges that all tests share: the index that each expects, if any."""
        fields = {engine: stack.bridge.index()["expected"] for engine, stack in self._running.items()}
        return {engine: expected for engine, expected in fields.items() if expected is not None}

    def upstream(self, engine: str) -> Running:
        """An engine with the model under its own name, without a bridge."""
        if engine not in self._upstreams:
            self._upstreams[engine] = self._start_upstream(engine)
        return self._upstreams[engine]

    def _start(self, engine: str) -> Stack:
        model = self._model
        known = ["--set", f"model.id={model.name}", "--set", "model.precision=f16", *model.arguments]
        if engine == EMBEDDED:
            # ggml's threads spin while they wait: on two cores, beside the tests, one is faster than two.
            own = ["--gguf", str(model.gguf), "--set", "engine.threads=1"]
            return Stack(engine, self._exit.enter_context(bridge(*own, *known)))
        upstream = self.upstream(engine)
        known += ["--upstream", upstream.url]
        if engine == "vllm":
            known += ["--set", f"engine.tokenizer={model.hf}", "--set", "engine.concurrency=4"]
        if engine == "llama.cpp":
            known += ["--set", f"engine.tokenizer={model.gguf}"]
        return Stack(engine, self._exit.enter_context(bridge(*known)), upstream)

    def _start_upstream(self, engine: str) -> Running:
        model = self._model
        if engine == "llama.cpp":
            return self._exit.enter_context(llama_server(model.gguf))
        if engine == "vllm":
            return self._exit.enter_context(vllm_server(model.hf, served_model_name=model.name))
        running = self._exit.enter_context(ollama_server(self._folder / "ollama"))
        ollama_create(running, model.name, model.gguf)
        return running
