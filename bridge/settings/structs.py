"""Every setting of the bridge, once: name, type, default, limits and help; `engine`, `pool` and `security` beside it.

`bridge.settings.load` loads these structs; `--help`, embed-bridge.example.yaml and docs/configuration.md are made from
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from embedstack.bridge.settings import hosts
from embedstack.bridge.settings.engines import EngineSettings, PoolSettings
from embedstack.bridge.settings.security import Security
from embedstack.bridge.settings.values import (
    MIB,
    Bound,
    Count,
    Duration,
    Host,
    IndexFingerprint,
    KeepAlive,
    Name,
    Precision,
    Seconds,
    Share,
    Size,
    Style,
    TaskName,
    Url,
    check_url,
)
from embedstack.configuration.validation import InvalidError
from embedstack.contract import PORT
from embedstack.host.addresses import is_loopback
from embedstack.models.catalog import MIN_DIMENSIONS, Task


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the bridge listens."""

    host: Annotated[Host, Meta(description="Address to listen on. Set security.api_keys if it is not loopback.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on. 0: any free port, which is printed.")] = (
        PORT
    )

    def __post_init__(self) -> None:
        problem = hosts.not_listened_on(self.host)
        if problem:
            raise InvalidError("host", problem)


class ModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The served model."""

    id: Annotated[
        Name,
        Meta(description="Name of a model in the catalogue; a name of one precision selects that precision."),
    ] = "qwen3-embedding:4b"
    precision: Annotated[
        Precision | None,
        Meta(
            description="Precision of the weights behind the engine: Q4_K_M, Q8_0, f16, bf16, ... "
            "null: what the engine reports, else the catalogue's default for the model."
        ),
    ] = None
    catalog: Annotated[Path | None, Meta(description="Your own catalogue, added to the shipped one.")] = None
    aliases: Annotated[
        dict[str, str],
        Meta(
            description="Additional model names, for clients that cannot send fields, "
            "such as {rag-query: 'qwen3-embedding:4b@query,1024'}."
        ),
    ] = {}
    dimensions: Annotated[
        Annotated[int, Meta(ge=MIN_DIMENSIONS)] | None,
        Meta(description="Dimensions of a vector if the request names none. null: native."),
    ] = None


class TaskOverride(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A task in the configuration: `symmetric` puts the instruction on every text, not on queries alone."""

    instruction: str | None
    symmetric: bool = False

    def __post_init__(self) -> None:
        if self.symmetric and self.instruction is None:
            raise ValueError("symmetric puts an instruction on every text, and there is none; give one, or remove it")


class PromptSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The prompt before a text."""

    style: Annotated[Style, Meta(description="How instruction and text are joined: qwen3 or article-zh.")] = "qwen3"
    default: Annotated[
        TaskName, Meta(description="Task of a request that names none; document gives the same vectors as Ollama.")
    ] = "document"
    tasks: Annotated[
        dict[str, str | TaskOverride | None],
        Meta(
            description="Tasks to add or replace: name to instruction (null: none), or to "
            "{instruction: ..., symmetric: true} if every text gets it."
        ),
    ] = {}
    special_tokens: Annotated[
        Literal["keep", "neutralise"],
        Meta(description="Whether '<|endoftext|>' and other special tokens inside a text keep their meaning."),
    ] = "keep"
    correct: Annotated[
        bool,
        Meta(
            description="Whether to correct a query's own prompt that is nearly right, such as 'Query: x' for "
            "'Query:x'. Documents are never changed."
        ),
    ] = True

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for name, given in self.tasks.items():
            key, place = name.lower(), f"tasks.{name}"
            if not name or name != name.strip():
                raise InvalidError(
                    place, f"no request can name the task {name!r}; give it a name without spaces around it"
                )
            if key in seen:
                raise InvalidError(place, f"names are read without capitals, and {seen[key]!r} is the same; remove one")
            instruction = given.instruction if isinstance(given, TaskOverride) else given
            if instruction is not None and not instruction.strip():
                raise InvalidError(place, "its instruction is empty; write null for none")
            seen[key] = name

    def merged(self, built_in: Mapping[str, Task]) -> dict[str, Task]:
        """The catalogue's tasks with ours added. A bare instruction keeps the replaced task's symmetry."""
        return {**built_in, **{name: self._task(name, built_in.get(name.lower())) for name in self.tasks}}

    def _task(self, name: str, replaced: Task | None) -> Task:
        given = self.tasks[name]
        if isinstance(given, TaskOverride):
            return Task(instruction=given.instruction, symmetric=given.symmetric, source="configuration")
        symmetric = replaced is not None and replaced.symmetric and given is not None
        return Task(instruction=given, symmetric=symmetric, source="configuration")


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of a request and of the queue. They are high, because one refusal fails a whole file in Open WebUI."""

    body_bytes: Annotated[Size, Meta(description="Largest request body.")] = 64 * MIB
    bodies_bytes: Annotated[
        Size,
        Meta(
            description="Most bytes of bodies being received, for all requests. Above it, those over 320 KiB wait "
            "and are received one at a time; one that has waited for body_timeout is a 503."
        ),
    ] = 64 * MIB
    body_timeout: Annotated[Seconds, Meta(description="Seconds that a request's body may take to arrive.")] = 30.0
    answer_timeout: Annotated[
        Seconds,
        Meta(description="Seconds after which a client that reads nothing of its answer is disconnected."),
    ] = 120.0
    texts: Annotated[Count, Meta(description="Most texts in one request; at most queue_texts.")] = 50_000
    text_bytes: Annotated[Size, Meta(description="Largest single text, in UTF-8; at most queue_bytes.")] = 16 * MIB
    queue_texts: Annotated[Count, Meta(description="Most waiting texts, of all requests.")] = 50_000
    queue_bytes: Annotated[Size, Meta(description="Most bytes of waiting texts.")] = 512 * MIB
    connections: Annotated[
        Count | None, Meta(description="Most open connections; further ones get a 503. null: no limit.")
    ] = None

    def __post_init__(self) -> None:
        if self.texts > self.queue_texts:
            raise ValueError(
                f"texts ({self.texts}) is above queue_texts ({self.queue_texts}): it could never be queued"
            )
        if self.text_bytes > self.queue_bytes:
            raise ValueError(
                f"text_bytes ({self.text_bytes}) is above queue_bytes ({self.queue_bytes}): it could never be queued"
            )


class Traffic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Order of requests. Queries overtake documents between two calls to an engine; clients take turns."""

    bulk_share: Annotated[
        Share, Meta(description="Least share of the engines for documents while queries keep coming.")
    ] = 0.1


class CacheSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The cache of computed vectors."""

    memory: Annotated[Bound, Meta(description="Bytes of vectors in memory. 0: none.")] = 64 * MIB
    disk: Annotated[
        Bound, Meta(description="Bytes of vectors on disk; the least recently used are evicted. 0: none.")
    ] = 2048 * MIB
    folder: Annotated[
        Path | None, Meta(description="Folder of the disk cache. null: embedstack/bridge in the user's cache folder.")
    ] = None
    scope: Annotated[
        Literal["shared", "key"],
        Meta(
            description="Whether all clients share the cache, or each of security.api_keys has its own. A shared cache "
            "shows by X-Embed-Cache and by its speed that somebody has embedded the same text."
        ),
    ] = "shared"


class Requests(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Defaults for requests."""

    on_too_long: Annotated[
        Literal["error", "truncate"],
        Meta(description="If a text is too long and the request has no `truncate`: a 400, or truncate as Ollama does."),
    ] = "error"
    keep_alive: Annotated[
        KeepAlive | Duration | None,
        Meta(description="How long Ollama keeps the model loaded. -1: forever; 0: not at all; null: Ollama's setting."),
    ] = None


class Passthrough(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Chat through the bridge, so that one base URL serves both. Manage models with Ollama itself."""

    ollama: Annotated[
        Url | None,
        Meta(
            description="Ollama to which /api/chat, /api/generate and /v1/chat/completions are passed on. "
            "null: these routes do not exist."
        ),
    ] = None
    silence: Annotated[
        Seconds,
        Meta(
            description="Seconds that an answer may pause, also before its first word, "
            "while a model is loaded or a long prompt is read."
        ),
    ] = 600.0

    def __post_init__(self) -> None:
        check_url("ollama", self.ollama)

    @property
    def base_url(self) -> str | None:
        """`ollama` without a trailing slash and without the `/v1` that OpenAI clients put there."""
        return None if self.ollama is None else self.ollama.rstrip("/").removesuffix("/v1").rstrip("/")


class IndexSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The index that clients search in."""

    fingerprint: Annotated[
        IndexFingerprint | None,
        Meta(
            description="The fingerprint from GET /v1/index when the index was made. A request that would get vectors "
            "of another index is a 409. null: what PUT /v1/index has set, if anything."
        ),
    ] = None


class TraceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Recent requests, for `embedstack trace` and GET /v1/trace. Kept only in memory."""

    records: Annotated[
        Annotated[int, Meta(ge=0, le=100_000)], Meta(description="How many requests to keep. 0: none.")
    ] = 1_000
    text: Annotated[
        bool, Meta(description="Whether to keep the beginning of each text too, for an administrator to read.")
    ] = False


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The log on standard error. It never contains a text, a vector or a key."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Lowest level that is written.")
    ] = "info"
    format: Annotated[Literal["text", "json"], Meta(description="Plain text, or one JSON object per line.")] = "text"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration, by section."""

    listen: Listen = Listen()
    engine: EngineSettings = EngineSettings()
    pool: PoolSettings = PoolSettings()
    model: ModelSettings = ModelSettings()
    prompts: PromptSettings = PromptSettings()
    limits: Limits = Limits()
    requests: Requests = Requests()
    traffic: Traffic = Traffic()
    cache: CacheSettings = CacheSettings()
    passthrough: Passthrough = Passthrough()
    security: Security = Security()
    index: IndexSettings = IndexSettings()
    trace: TraceSettings = TraceSettings()
    log: Log = Log()

    def __post_init__(self) -> None:
        if self.engine.kind == "openai" and self.engine.url is None and not self.pool.upstreams:
            raise ValueError("engine.kind 'openai' needs engine.url")
        if self.pool.upstreams and self.engine.configured and (self.engine.url or self.engine.kind == "embedded"):
            raise ValueError("pool.upstreams and engine.url (or an embedded engine) are both set; remove one of them")
        for key, url in self._urls():
            if self._is_own(url):
                raise ValueError(f"{key} ({url}) is where the bridge itself listens")
        urls = [upstream.url.rstrip("/") for upstream in self.pool.upstreams]
        if len(set(urls)) < len(urls):
            raise ValueError("pool.upstreams names one URL twice; remove one of the two")

    def _urls(self) -> Iterator[tuple[str, str]]:
        """Every other service that is asked."""
        if self.passthrough.base_url is not None:
            yield "passthrough.ollama", self.passthrough.base_url
        if self.engine.base_url is not None:
            yield "engine.url", self.engine.base_url
        yield from (("pool.upstreams", upstream.url) for upstream in self.pool.upstreams)

    def _is_own(self, url: str) -> bool:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        return port == self.listen.port and is_loopback(parts.hostname or "")

    def warnings(self) -> list[str]:
        """What is allowed but deserves a loud line at start."""
        without_effect = [f"{key} has no effect {where}; remove it" for key, where in self._without_effect()]
        if is_loopback(self.listen.host) or self.security.api_keys:
            return without_effect
        return [
            f"listening on {self.listen.host} without an API key: anyone who reaches this port can use the engine. "
            "Set security.api_keys, or listen on 127.0.0.1",
            *without_effect,
        ]

    def _without_effect(self) -> Iterator[tuple[str, str]]:
        """Keys that nothing reads beside what else is set, and beside what: harmless, and never what was meant."""
        if self.trace.text and not self.trace.records:
            yield "trace.text", "with trace.records 0"
        if self.cache.scope == "key" and not self.security.api_keys:
            yield "cache.scope", "without security.api_keys: all clients share the cache"
        if not self.pool.upstreams:
            yield from ((f"engine.{name}", where) for name, where in self.engine.without_effect())
        elif self.engine.threads is not None:
            yield "engine.threads", "with pool.upstreams"
