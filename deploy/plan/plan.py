"""What a stack is to be, once everything about it is decided: how it runs, with which engine and which model. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from embedstack.deploy.plan.stores import StoreServer
from embedstack.deploy.settings import Settings
from embedstack.host.addresses import EVERYWHERE, FROM_CONTAINERS, LOOPBACK, is_here
from embedstack.models.model import Model, ModelFile

Mode = Literal["docker", "native"]
LIGHT = 1_000_000_000  # parameters: the 0.6B is usable on a CPU, the 4B (seconds for a page) is not
BF16_BYTES = 2


@dataclass(frozen=True)
class PlannedModel:
    """A model under the name that clients ask for.

    Attributes:
        name: in Ollama, vLLM and before the bridge.
        sha256: of the GGUF.
        num_ctx: context in tokens.
        gguf: the verified file, None where it is in the engine already or the engine takes no GGUF.
        folder: the Hugging Face folder for vLLM.
    """

    model: Model
    name: str
    precision: str
    num_ctx: int
    sha256: str | None = None
    gguf: Path | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class PlannedEngine:
    """What computes the vectors.

    Attributes:
        managed: whether the stack starts and stops it; an Ollama that ran before us is not.
        url: as this machine reaches it; None for the embedded engine, which is inside the bridge.
        program: what is started (native).
        reason: why this one.
    """

    kind: Literal["ollama", "embedded", "vllm"]
    managed: bool
    reason: str
    url: str | None = None
    program: Path | None = None

    @property
    def own_ollama(self) -> bool:
        """Whether it is an Ollama that the stack starts and stops."""
        return self.kind == "ollama" and self.managed

    @property
    def found_ollama(self) -> bool:
        """Whether it is an Ollama that ran before, and goes on when the stack ends."""
        return self.kind == "ollama" and not self.managed

    @property
    def elsewhere(self) -> bool:
        """Whether it is on another machine, of whose memory and GPU nothing is known."""
        return not self.managed and self.url is not None and not local(self.url)


@dataclass(frozen=True)
class Plan:
    """A stack.

    Attributes:
        served: the model behind its name.
        beside: the same model's bf16 weights on vLLM, under a name of their own; None where they are not wanted.
        vllm: what starts vLLM (native).
        webui_closed: Open WebUI listens on loopback, whatever is to be exposed: until it is known to be closed.
        store: the server of Open WebUI's vectors where one runs already, as this machine reaches it.
    """

    settings: Settings
    mode: Mode
    reason: str
    engine: PlannedEngine
    served: PlannedModel
    beside: PlannedModel | None = None
    vllm: Path | None = None
    webui_closed: bool = False
    store: StoreServer | None = None

    @property
    def model(self) -> Model:
        return self.served.model

    @property
    def file(self) -> ModelFile:
        """The GGUF; where only vLLM serves the model, the one that Ollama would take."""
        return self.model.file(None if self.engine.kind == "vllm" else self.served.precision)

    @property
    def num_ctx(self) -> int:
        return self.served.num_ctx

    @property
    def heavy(self) -> bool:
        """Whether the model belongs on a GPU."""
        return (self.model.parameters or 0) > LIGHT

    @property
    def on_vllm(self) -> PlannedModel | None:
        """What vLLM serves: the only model, or the one beside Ollama; None where there is no vLLM."""
        return self.served if self.engine.kind == "vllm" else self.beside

    @property
    def folder_bytes(self) -> int:
        """Of the safetensors that vLLM reads, 0 where there is no vLLM."""
        return (self.model.parameters or 0) * BF16_BYTES if self.on_vllm and self.model.safetensors else 0

    @property
    def ollama_url(self) -> str | None:
        """Ollama as this machine reaches it; None where another engine computes."""
        return self.engine.url if self.engine.kind == "ollama" else None

    @property
    def own_store(self) -> str | None:
        """The part that keeps Open WebUI's vectors; None where it does so itself, or a server that runs already."""
        webui = self.settings.webui
        return webui.vector_store if webui.enabled and webui.vector_store != "chroma" and not self.store else None

    @property
    def parts(self) -> tuple[str, ...]:
        """What runs, by the names that both modes give it, engines first."""
        wanted = {
            "ollama": self.engine.own_ollama,
            "vllm": self.on_vllm is not None,
            "bridge": True,
            "bridge-bf16": self.beside is not None,
            self.own_store: self.own_store is not None,
            "open-webui": self.settings.webui.enabled,
        }
        return tuple(name for name, is_wanted in wanted.items() if name and is_wanted)

    @property
    def dimensions(self) -> int:
        """Numbers in each vector of Open WebUI's index."""
        return self.settings.model.dimensions or self.served.model.dimensions

    @property
    def webui_model(self) -> str:
        """What Open WebUI asks the bridge for: it sends no size of its own, so the name says it, as `NAME@1024`."""
        native = self.dimensions == self.served.model.dimensions
        return self.served.name if native else f"{self.served.name}@{self.dimensions}"

    @property
    def bridge_url(self) -> str:
        return f"http://{LOOPBACK}:{self.settings.ports.bridge}"

    @property
    def beside_url(self) -> str:
        """The bridge before vLLM, where that stands beside Ollama."""
        return f"http://{LOOPBACK}:{self.settings.ports.bridge_bf16}"

    @property
    def webui_url(self) -> str:
        return f"http://{LOOPBACK}:{self.settings.ports.webui}"

    @property
    def vllm_url(self) -> str:
        return f"http://{LOOPBACK}:{self.settings.ports.vllm}"

    @property
    def keyed(self) -> bool:
        """Whether the bridge asks for its key: as soon as another machine can reach it."""
        return self.settings.stack.expose == "all"

    @property
    def bridge_host(self) -> str:
        """Where the bridge is published."""
        return EVERYWHERE if self.settings.stack.expose == "all" else LOOPBACK

    @property
    def webui_host(self) -> str:
        return LOOPBACK if self.webui_closed or self.settings.stack.expose == "none" else EVERYWHERE


def name_in_engine(model: Model, file: ModelFile) -> str:
    """What Ollama calls a model at one quantisation: its own tag where it has one, as `qwen3-embedding:4b-q8_0`."""
    if file.quantisation == model.default_quantisation:
        return model.id
    return file.tags[0] if file.tags else f"{model.id}-{file.quantisation.lower()}"


def local(url: str) -> bool:
    """Whether `url` means this machine."""
    host = urlsplit(url).hostname or ""
    return host == FROM_CONTAINERS or is_here(host)
