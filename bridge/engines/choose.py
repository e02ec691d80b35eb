"""Which engines, from the settings; with nothing configured, the Ollama that answers, or three ways on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import assert_never

import msgspec

from embedstack import extras
from embedstack.bridge.backends.base import Backend
from embedstack.bridge.backends.embedded import EmbeddedBackend
from embedstack.bridge.backends.http import EngineClient, without_password
from embedstack.bridge.backends.ollama import OllamaBackend
from embedstack.bridge.backends.openai import OpenAIBackend
from embedstack.bridge.backends.own import Loading
from embedstack.bridge.engines.engine import EngineLimits, Member
from embedstack.bridge.errors import BridgeError
from embedstack.bridge.settings.engines import EngineSettings, Kind
from embedstack.bridge.settings.load import ConfigError
from embedstack.bridge.settings.structs import Settings
from embedstack.host import ollama
from embedstack.models.catalog import Model

# Seconds for which an address may keep us in the dark about what is there.
PROBE_TIMEOUT, PROBE_CONNECT = 5.0, 2.0

THREE_WAYS = """\
No engine is configured, and no Ollama answers at {url}. Three ways on:
  embed-bridge --demo                   try it now: a small stand-in model, nothing to download
  embed-bridge --gguf PATH              run a Qwen3-Embedding GGUF with the engine that comes with the bridge
  embed-bridge --upstream URL           use a running Ollama, vLLM or llama-server"""


async def resolve(settings: Settings, environ: Mapping[str, str]) -> tuple[EngineSettings, ...]:
    """The engines, each with its kind decided. ConfigError where nothing is configured and nothing answers."""
    return tuple([await _resolved(engine, environ) for engine in _asked(settings)])


def members(settings: Settings, engines: Sequence[EngineSettings], model: Model, precision: str | None) -> list[Member]:
    """An adapter for each engine whose kind is decided, and how it may be used."""
    return [Member(_backend(engine, settings, model, precision), _limits(engine)) for engine in engines]


def _asked(settings: Settings) -> Sequence[EngineSettings]:
    """`engine` itself, or one for each of the pool: what an upstream does not say is as in `engine`."""
    if not settings.pool.upstreams:
        return [settings.engine]
    said = [
        {name: value for name, value in msgspec.structs.asdict(upstream).items() if value is not None}
        for upstream in settings.pool.upstreams
    ]
    return [msgspec.structs.replace(settings.engine, **given) for given in said]


async def _resolved(engine: EngineSettings, environ: Mapping[str, str]) -> EngineSettings:
    if engine.kind == "ollama" or (engine.kind is None and not engine.configured):
        url = engine.base_url or ollama.ollama_url(environ) or ollama.USUAL
        if not engine.configured and not await _answers(url, "/api/version"):
            raise ConfigError(_three_ways(url))
        return msgspec.structs.replace(engine, kind="ollama", url=url)
    if engine.gguf is not None:
        return msgspec.structs.replace(engine, kind="embedded")
    if engine.kind is None:
        return msgspec.structs.replace(engine, kind=await _kind_at(str(engine.base_url)))
    return engine


def _three_ways(url: str) -> str:
    ways = THREE_WAYS.format(url=without_password(url))
    missing = extras.missing("embedded")
    return f"{ways}\nThe first two need an engine that is not installed. {missing.advice}" if missing else ways


def _limits(engine: EngineSettings) -> EngineLimits:
    return EngineLimits(
        concurrency=1 if engine.kind == "ollama" else engine.concurrency,
        batch=engine.batch,
        attempts=engine.attempts,
        slice_bytes=engine.slice_bytes,
        gather=engine.gather,
        context=engine.context,
    )


def _backend(engine: EngineSettings, settings: Settings, model: Model, precision: str | None) -> Backend:
    """`precision` None: what the engine says of itself."""
    match engine.kind:
        case "embedded":
            return _embedded(engine, settings, model)
        case "ollama":
            return OllamaBackend(_client(engine), engine.model or _ollama_tag(model, precision), model.dimensions)
        case "openai":
            return OpenAIBackend(
                _client(engine),
                engine.model,
                eos_id=_eos_id(model),
                tokenizer=engine.tokenizer,
                context=engine.context,
                dimensions=model.dimensions,
            )
        case None:
            raise AssertionError("resolve() has decided the kind")
        case other:
            assert_never(other)


def _client(engine: EngineSettings) -> EngineClient:
    url, key = str(engine.base_url), engine.api_key
    return EngineClient(url, api_key=key, timeout=engine.timeout, connect_timeout=engine.connect_timeout)


def _embedded(engine: EngineSettings, settings: Settings, model: Model) -> EmbeddedBackend:
    if missing := extras.missing("embedded"):
        raise ConfigError(f"{missing.message} {missing.advice}")
    loading = Loading(
        _gguf(settings, model),
        model=model.id,
        eos_id=_eos_id(model),
        context=engine.context or model.context.recommended,
        threads=engine.threads,
        timeout=engine.timeout,
        dimensions=model.dimensions,
        gpu_layers=engine.gpu_layers,
    )
    return EmbeddedBackend(loading, engine.interface)


def _eos_id(model: Model) -> int | None:
    return model.header.whole("tokenizer.ggml.eos_token_id")


def _ollama_tag(model: Model, precision: str | None) -> str:
    """The catalogue's id is Ollama's tag for the default precision; the others have tags of their own."""
    own = [file.tags for file in model.files if file.quantisation == precision != model.default_quantisation]
    return next((tags[0] for tags in own if tags), model.id)


def _gguf(settings: Settings, model: Model) -> Path:
    if settings.engine.gguf is not None:
        return settings.engine.gguf
    if model.id != "demo":
        raise ConfigError("engine.gguf: the embedded engine needs the model's GGUF file; give its path")
    # gguf and a model in memory: for the demo alone
    from embedstack.models.demo.build import DemoModelError, build, default_folder

    try:
        return build(default_folder()).gguf
    except DemoModelError as error:
        raise ConfigError(str(error)) from error


async def _kind_at(url: str) -> Kind:
    """Ollama answers on /api/version; what does not is taken for an OpenAI-shaped engine, up or not yet up."""
    return "ollama" if await _answers(url, "/api/version") else "openai"


async def _answers(url: str, path: str) -> bool:
    client = EngineClient(url, api_key=None, timeout=PROBE_TIMEOUT, connect_timeout=PROBE_CONNECT)
    try:
        return (await client.get(path)).status == 200
    except BridgeError:
        return False
    finally:
        await client.close()
