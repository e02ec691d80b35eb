"""The environment in which the bridge and Open WebUI are started, the same in both modes. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol

from embedstack.deploy.plan import stores
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel
from embedstack.deploy.plan.stores import StoreServer


class WebuiSecrets(Protocol):
    """What of the secrets the bridge and Open WebUI need."""

    @property
    def webui_secret_key(self) -> str: ...
    @property
    def webui_admin_password(self) -> str: ...
    @property
    def bridge_key(self) -> str: ...
    @property
    def bridge_admin_key(self) -> str: ...


@dataclass(frozen=True)
class BridgeSurroundings:
    """What one bridge finds around it. Paths and URLs are as the bridge itself sees them.

    Attributes:
        listen: host and port.
        engine_url: None for the embedded engine.
        gguf: for the embedded engine.
        cache: its folder.
        key_file: counts where the plan is keyed.
        tokenizer: of vLLM's model.
        hosts: names under which it is asked, besides this machine's loopback.
        passthrough: the Ollama that chat is passed on to, None for none.
    """

    listen: tuple[str, int]
    engine_url: str | None
    cache: str
    key_file: str
    admin_key_file: str
    gguf: str | None = None
    tokenizer: str | None = None
    hosts: tuple[str, ...] = ()
    passthrough: str | None = None


def bridge(plan: Plan, served: PlannedModel, engine: PlannedEngine, around: BridgeSurroundings) -> dict[str, str]:
    """Variables of one bridge."""
    host, port = around.listen
    wanted: dict[str, str | None] = {
        "LISTEN_HOST": host,
        "LISTEN_PORT": str(port),
        **_engine(plan, served, engine, around),
        "MODEL_ID": served.model.id,
        "MODEL_PRECISION": served.precision,
        "MODEL_CATALOG": _text(plan.settings.model.catalog),
        "MODEL_ALIASES": _aliases(served),
        "CACHE_FOLDER": around.cache,
        # Open WebUI shows this key to anyone who administers it: it opens no route of the bridge's own administrator.
        "SECURITY_API_KEYS": json.dumps([{"name": "stack", "key_file": around.key_file}]) if plan.keyed else None,
        "SECURITY_ADMIN_KEY_FILE": around.admin_key_file,
        "SECURITY_ALLOWED_HOSTS": json.dumps(around.hosts) if around.hosts else None,
        "PASSTHROUGH_OLLAMA": around.passthrough,
    }
    return {f"EMBED_BRIDGE_{name}": value for name, value in wanted.items() if value is not None}


def _engine(
    plan: Plan, served: PlannedModel, engine: PlannedEngine, around: BridgeSurroundings
) -> dict[str, str | None]:
    """Ollama knows its model's context by itself, the others are given it."""
    match engine.kind:
        case "ollama":
            return {
                "ENGINE_KIND": "ollama",
                "ENGINE_URL": around.engine_url,
                "ENGINE_MODEL": served.name,
                "REQUESTS_KEEP_ALIVE": plan.settings.model.keep_alive,
            }
        case "vllm":
            return {
                "ENGINE_KIND": "openai",
                "ENGINE_URL": around.engine_url,
                "ENGINE_MODEL": served.name,
                "ENGINE_TOKENIZER": around.tokenizer,
                "ENGINE_CONTEXT": str(served.num_ctx),
            }
        case "embedded":
            return {
                "ENGINE_KIND": "embedded",
                "ENGINE_GGUF": around.gguf,
                "ENGINE_CONTEXT": str(served.num_ctx),
                "ENGINE_THREADS": _threads(plan, served),
            }


def webui(
    plan: Plan,
    secrets: WebuiSecrets,
    *,
    data: str,
    bridge_url: str,
    ollama_url: str | None,
    store: StoreServer | None = None,
) -> dict[str, str]:
    """Variables of Open WebUI 0.12. `ollama_url` None: there is no Ollama to chat with. `store`: None for Chroma.

    Embedding settings count at its first start alone: later it takes them from its database.
    """
    settings = plan.settings.webui
    chat = {"ENABLE_OLLAMA_API": "False"} if ollama_url is None else {"OLLAMA_BASE_URL": ollama_url}
    return {
        "DATA_DIR": data,
        "WEBUI_SECRET_KEY": secrets.webui_secret_key,
        "WEBUI_ADMIN_EMAIL": settings.admin_email,
        "WEBUI_ADMIN_PASSWORD": secrets.webui_admin_password,
        "WEBUI_ADMIN_NAME": "Administrator",
        "ENABLE_OPENAI_API": "False",
        **chat,
        "RAG_EMBEDDING_ENGINE": "ollama",
        "RAG_EMBEDDING_MODEL": plan.webui_model,
        "RAG_OLLAMA_BASE_URL": bridge_url,
        # Set even when empty: unset, it would take the address of a key of another service from the environment.
        "RAG_OLLAMA_API_KEY": secrets.bridge_key if plan.keyed else "",
        "RAG_EMBEDDING_BATCH_SIZE": str(settings.batch),
        "ENABLE_ASYNC_EMBEDDING": "True",
        "RAG_EMBEDDING_CONCURRENT_REQUESTS": str(settings.concurrency),
        # The role travels as a field of the request: read at the start, and never from the database.
        **stores.ENVIRONMENT,
        **stores.variables(settings.vector_store if settings.enabled else "chroma", plan.dimensions, store),
        "ANONYMIZED_TELEMETRY": "False",
        "DO_NOT_TRACK": "True",
        "SCARF_NO_ANALYTICS": "True",
        **({"OFFLINE_MODE": "True"} if plan.settings.hub.offline else {}),
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _threads(plan: Plan, served: PlannedModel) -> str | None:
    """llama.cpp's threads wait for each other by spinning: one is the fastest for a model as small as the demo's."""
    small = (served.model.parameters or 0) < 100_000_000
    return _text(plan.settings.engine.threads or (1 if small else None))


def _aliases(served: PlannedModel) -> str | None:
    """The name that clients use, where the catalogue does not know it, as that of bf16 weights."""
    known = served.model.names_for(served.precision)
    return None if served.name in known else json.dumps({served.name: served.model.id})
