"""The settings of engines: one, or several of one model."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from embedstack.bridge.settings.values import Count, Name, Pause, Seconds, Secret, Url, check_key, check_url

Kind = Literal["ollama", "openai", "embedded"]
Interface = Literal["auto", "api", "server"]
ONE_AT_A_TIME: Collection[Kind] = ("ollama", "embedded")
"""These embed one text after another, whatever is asked."""


class EngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The engine that computes the vectors. With nothing set here, the Ollama at OLLAMA_HOST is looked for."""

    kind: Annotated[
        Kind | None,
        Meta(
            description="Ollama, an OpenAI-shaped server (vLLM, llama-server), or llama.cpp inside the bridge. "
            "null: found out."
        ),
    ] = None
    url: Annotated[Url | None, Meta(description="Where the engine listens.")] = None
    model: Annotated[
        Name | None,
        Meta(
            description="The engine's own name for the model. null: at Ollama the catalogue's tag for the precision, "
            "else the first model that the engine lists."
        ),
    ] = None
    api_key: Annotated[Secret | None, Meta(description="Bearer token that the engine asks for.")] = None
    gguf: Annotated[Path | None, Meta(description="GGUF file for the embedded engine.")] = None
    tokenizer: Annotated[
        Path | None,
        Meta(
            description="GGUF, tokenizer.json or Hugging Face folder to count tokens with, where the engine does not "
            "give its vocabulary (openai)."
        ),
    ] = None
    context: Annotated[
        Annotated[int, Meta(ge=64)] | None,
        Meta(
            description="Tokens of context for one text, EOS included. null: what the engine says; "
            "8192 for the embedded engine.",
        ),
    ] = None
    threads: Annotated[
        Count | None,
        Meta(
            description="Threads of the embedded engine. null: the physical cores; give fewer where others compute too."
        ),
    ] = None
    interface: Annotated[
        Interface,
        Meta(
            description="How the embedded engine uses llama.cpp: its C API (a question interrupts documents, and an "
            "instruction is computed once), or its HTTP server. auto: the C API, or the server where the C API cannot "
            "serve the library or the model."
        ),
    ] = "auto"
    gpu_layers: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Layers of the model that the embedded engine computes on a GPU, where xllamacpp was built for "
            "one. null: all of them."
        ),
    ] = None
    timeout: Annotated[Seconds, Meta(description="Seconds to wait for an answer to one call.")] = 300.0
    connect_timeout: Annotated[Seconds, Meta(description="Seconds to wait for a connection.")] = 5.0
    batch: Annotated[int, Meta(ge=1, le=2048, description="Texts in one call.")] = 32
    concurrency: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(
            description="Calls in flight at once at one engine. null: 1 at Ollama and llama-server, which embed one "
            "text at a time whatever is asked, 2 at the embedded engine, which decides itself, 4 at any other."
        ),
    ] = None
    slice_bytes: Annotated[
        Annotated[int, Meta(ge=1, extra={"unit": "bytes", "allowed": "a size: bytes, or as '64 MiB'"})] | None,
        Meta(
            description="Bytes of text after which a call takes no further text; what a query may have to wait for. "
            "null: 512 at Ollama and llama-server, which gain nothing from many; 1 KiB at the embedded engine, which "
            "answers questions meanwhile; else 64 KiB."
        ),
    ] = None
    gather: Annotated[
        Annotated[float, Meta(ge=0, le=0.1, extra={"allowed": "seconds, 0 to 0.1"})] | None,
        Meta(
            description="Seconds for which single texts are gathered into one call while others are in flight. "
            "null: 0 at Ollama, llama-server and the embedded engine; else 0.002."
        ),
    ] = None
    patience: Annotated[
        Pause,
        Meta(
            description="Seconds for which a request is kept while no engine gets on with it that served: away, or "
            "failing again and again. All its waits count together."
        ),
    ] = 30.0
    attempts: Annotated[int, Meta(ge=1, le=10, description="Times a call is tried when the engine hiccups.")] = 3
    quarantine: Annotated[
        Pause,
        Meta(
            description="Seconds for which a text is not sent again that ended the engine twice, or of which it makes "
            "no finite vector."
        ),
    ] = 600.0

    def __post_init__(self) -> None:
        check_key("api_key", self.api_key)
        check_url("url", self.url)
        if self.kind == "embedded" and self.url is not None:
            raise ValueError("kind 'embedded' takes gguf, not url; remove one of kind and url")
        if self.gguf is not None and (self.url is not None or self.kind in ("ollama", "openai")):
            raise ValueError("gguf is for the embedded engine; remove gguf, or kind and url")
        if (self.concurrency or 1) > 1 and self.kind in ONE_AT_A_TIME:
            raise ValueError(f"concurrency is {self.concurrency}, but kind {self.kind!r} embeds one text at a time")

    @property
    def configured(self) -> bool:
        """Whether anything says which engine to use; if not, one is looked for."""
        return not (self.kind is None and self.url is None and self.gguf is None)

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Keys that are set and that the engine has no use for, each with what says so."""
        if self.kind == "embedded" or self.gguf is not None:
            unused, where = ("model", "api_key", "tokenizer"), "with the embedded engine"
        elif self.kind is not None or self.url is not None:
            unused, where = ("threads", *(("tokenizer",) if self.kind == "ollama" else ())), "with an engine at a URL"
        else:
            return
        yield from ((name, where) for name in unused if getattr(self, name) is not None)

    @property
    def base_url(self) -> str | None:
        """`url` without a trailing slash and without the `/v1` that OpenAI clients put there."""
        return None if self.url is None else self.url.rstrip("/").removesuffix("/v1").rstrip("/")


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One engine of a pool. What is null here is as in `engine`."""

    url: Url
    kind: Literal["ollama", "openai"] | None = None
    model: Name | None = None
    api_key: Secret | None = None
    tokenizer: Path | None = None
    concurrency: Annotated[int, Meta(ge=1, le=1024)] | None = None

    def __post_init__(self) -> None:
        check_key("api_key", self.api_key)
        check_url("url", self.url)


class PoolSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Several engines of one model at one precision, in place of `engine.url`. Read again on SIGHUP."""

    upstreams: Annotated[
        tuple[Upstream, ...],
        Meta(
            extra={
                "allowed": "a list of engines, each a URL or {url, kind, model, api_key, tokenizer, concurrency}",
            },
            description="The engines. What one does not say is as in `engine`.",
        ),
    ] = ()
