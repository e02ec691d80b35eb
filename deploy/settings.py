"""Every setting of the toolkit, once: name, type, default, limits and help.

`deploy.config` loads these structs; embedstack.example.yaml and docs/stack.md are made from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from embedstack.contract import PORT

Store = Literal["chroma", "pgvector", "weaviate", "qdrant"]
"""Of vectors; chroma is inside Open WebUI, each other one a part of the stack unless it runs elsewhere."""

Port = Annotated[int, Meta(ge=1, le=65535)]
Name = Annotated[str, Meta(min_length=1, extra={"allowed": "a name"})]
Image = Annotated[str, Meta(min_length=1, extra={"allowed": "an image: NAME:TAG or NAME@DIGEST"})]
StackName = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}\Z", extra={"allowed": "up to 40 of a-z, 0-9, _ and -"})
]
Url = Annotated[
    str, Meta(pattern=r"^https?://[^\s/?#]+\S*\Z", extra={"allowed": "http://HOST[:PORT], https://HOST[:PORT]"})
]
Address = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9+]+://\S+\Z", extra={"allowed": "http://HOST:PORT, postgresql://USER@HOST:PORT/DATABASE"}),
]
Seconds = Annotated[float, Meta(gt=0, le=86400, extra={"allowed": "seconds above 0, at most 86400"})]


class StackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The stack as a whole."""

    name: Annotated[StackName, Meta(description="Name of this stack. Stacks with different names are independent.")] = (
        "embedstack"
    )
    mode: Annotated[
        Literal["auto", "docker", "native"],
        Meta(description="Containers with Docker Compose, or processes of this user. auto: Docker if it works."),
    ] = "auto"
    expose: Annotated[
        Literal["none", "webui", "all"],
        Meta(description="What other machines can reach: nothing, Open WebUI, or the bridge (with its key) as well."),
    ] = "none"
    wait: Annotated[Seconds, Meta(description="Seconds that a part may take to become ready.")] = 900.0


class ModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The embedding model."""

    id: Annotated[Name, Meta(description="Name of a model in the catalogue; `demo` needs no download.")] = (
        "qwen3-embedding:4b"
    )
    quantisation: Annotated[
        Name | None, Meta(description="Q4_K_M, Q8_0, f16, … null: the catalogue's default for the model.")
    ] = None
    num_ctx: Annotated[
        Annotated[int, Meta(ge=64)] | None,
        Meta(description="Context in tokens. null: the catalogue's value, or the next smaller step that fits the GPU."),
    ] = None
    dimensions: Annotated[
        Annotated[int, Meta(ge=32)] | None,
        Meta(
            description="Dimensions of the vectors in Open WebUI's index, 32 to the model's own. Fewer take less room "
            "and find a little less. null: the model's own."
        ),
    ] = None
    keep_alive: Annotated[
        str,
        Meta(
            pattern=r"^-1\Z|^-?(\d+(\.\d+)?(ms|s|m|h))+\Z",
            description="How long Ollama keeps it loaded.",
            extra={"allowed": "-1 (forever) or a duration such as '5m'", "as_text": True},
        ),
    ] = "-1"
    catalog: Annotated[Path | None, Meta(description="Your own catalogue, added to the shipped one.")] = None

    @property
    def kept(self) -> float | str:
        """`keep_alive` as Ollama takes it: text without a unit is refused, so -1 goes as a number."""
        return -1 if self.keep_alive == "-1" else self.keep_alive


class HubSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where model files come from. The token is read only from HF_TOKEN."""

    endpoint: Annotated[
        Url | None,
        Meta(description="Address of a mirror of the Hugging Face Hub. null: HF_ENDPOINT, else the Hub itself."),
    ] = None
    offline: Annotated[bool, Meta(description="Never use the network (HF_HUB_OFFLINE does the same).")] = False
    cache: Annotated[
        Path | None, Meta(description="The Hub's cache folder. null: HF_HUB_CACHE, HF_HOME, else its default.")
    ] = None


class EngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What computes the vectors."""

    kind: Annotated[
        Literal["auto", "ollama", "embedded", "vllm"],
        Meta(
            description="auto: a running Ollama, else an installed one, else llama.cpp inside the bridge (native); the "
            "Ollama at engine.url, else one in a container (docker)."
        ),
    ] = "auto"
    url: Annotated[
        Url | None,
        Meta(description="Address of a running Ollama. null: OLLAMA_HOST, else ports.ollama (native); none (docker)."),
    ] = None
    cpu: Annotated[bool, Meta(description="Use the CPU even for a model that belongs on a GPU.")] = False
    threads: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Threads of the embedded engine. null: the physical cores."),
    ] = None


class VllmSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """vLLM: under the model's name with engine.kind vllm, or beside Ollama under a second name."""

    beside: Annotated[
        bool, Meta(description="Serve the bf16 weights beside Ollama, as MODEL-bf16, through a second bridge.")
    ] = False
    program: Annotated[Path | None, Meta(description="Path of the vllm program (native). null: the one on PATH.")] = (
        None
    )
    gpu_memory: Annotated[
        Annotated[float, Meta(gt=0, le=1, extra={"allowed": "a share above 0, at most 1"})] | None,
        Meta(description="Share of the GPU's memory that vLLM may take. null: 0.9 alone, 0.45 beside Ollama."),
    ] = None
    cpu_kv_gib: Annotated[
        Annotated[int, Meta(ge=1)], Meta(description="GiB of key/value cache if vLLM runs on the CPU.")
    ] = 1


class BridgeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bridge. Its own settings are in its own file."""

    config: Annotated[
        Path | None,
        Meta(description="Your own embed-bridge.yaml. The stack overrides some of its keys (docs/stack.md)."),
    ] = None
    passthrough: Annotated[
        bool, Meta(description="Serve chat and generate at the bridge's address too: they are passed on to Ollama.")
    ] = False


class WebuiSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Open WebUI."""

    enabled: Annotated[bool, Meta(description="Run Open WebUI as part of the stack.")] = True
    version: Annotated[Name, Meta(description="Version to install from PyPI (native).")] = "0.12.4"
    python: Annotated[
        Path | None, Meta(description="Path of a Python 3.11 or 3.12 (native). null: found, or downloaded by uv.")
    ] = None
    admin_email: Annotated[Name, Meta(description="E-mail address of the first administrator.")] = "admin@localhost"
    batch: Annotated[
        Annotated[int, Meta(ge=1, le=256)], Meta(description="Texts in one of its embedding requests.")
    ] = 32
    concurrency: Annotated[
        Annotated[int, Meta(ge=1, le=256)], Meta(description="Parallel embedding requests for one file.")
    ] = 4
    vector_store: Annotated[
        Store,
        Meta(description="The vector store: chroma inside Open WebUI, or a server, which is started only in docker."),
    ] = "chroma"
    vector_store_url: Annotated[
        Address | None,
        Meta(description="Address of a running vector store, without password. null: the stack's own (docker)."),
    ] = None
    vector_store_key_file: Annotated[
        Path | None, Meta(description="File that contains that server's password or API key, and nothing else.")
    ] = None
    vector_store_grpc_port: Annotated[Port, Meta(description="gRPC port of that server, for Weaviate.")] = 50051


class PortSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ports on this machine."""

    bridge: Annotated[Port, Meta(description="The bridge.")] = PORT
    bridge_bf16: Annotated[Port, Meta(description="The second bridge, in front of vLLM beside Ollama.")] = 11436
    ollama: Annotated[Port, Meta(description="Ollama.")] = 11434
    vllm: Annotated[Port, Meta(description="vLLM.")] = 8000
    webui: Annotated[Port, Meta(description="Open WebUI.")] = 3000


class ImageSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Container images (docker)."""

    ollama: Annotated[Image, Meta(description="Ollama.")] = "ollama/ollama:0.34.4"
    ollama_rocm: Annotated[Image, Meta(description="Ollama for AMD GPUs.")] = "ollama/ollama:0.34.4-rocm"
    vllm: Annotated[Image, Meta(description="vLLM.")] = "vllm/vllm-openai:v0.32.0"
    webui: Annotated[Image, Meta(description="Open WebUI.")] = "ghcr.io/open-webui/open-webui:v0.12.4"
    bridge: Annotated[Image, Meta(description="The bridge, built from compose/bridge.Dockerfile.")] = (
        "embedstack/bridge:0.1.0"
    )
    bridge_base: Annotated[Image, Meta(description="Base of the bridge's image.")] = "python:3.12-slim-bookworm"
    pgvector: Annotated[Image, Meta(description="PostgreSQL with pgvector.")] = "pgvector/pgvector:0.8.2-pg17"
    weaviate: Annotated[Image, Meta(description="Weaviate.")] = "semitechnologies/weaviate:1.39.3"
    qdrant: Annotated[Image, Meta(description="Qdrant.")] = "qdrant/qdrant:v1.18.0"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration, by section."""

    stack: StackSettings = StackSettings()
    model: ModelSettings = ModelSettings()
    hub: HubSettings = HubSettings()
    engine: EngineSettings = EngineSettings()
    vllm: VllmSettings = VllmSettings()
    bridge: BridgeSettings = BridgeSettings()
    webui: WebuiSettings = WebuiSettings()
    ports: PortSettings = PortSettings()
    images: ImageSettings = ImageSettings()

    def __post_init__(self) -> None:
        given = [getattr(self.ports, field.name) for field in msgspec.structs.fields(PortSettings)]
        if len(set(given)) < len(given):
            raise ValueError(f"ports names one port twice ({given}); each part needs its own")
        if self.engine.kind == "vllm" and self.vllm.beside:
            raise ValueError("engine.kind 'vllm' and vllm.beside are both set; remove one of them")
