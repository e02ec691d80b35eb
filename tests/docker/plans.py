"""Plans for tests, and every combination of what decides the overlays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from embedstack.deploy.docker.compose import Gpu
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel
from embedstack.deploy.plan.stores import StoreServer
from embedstack.deploy.settings import Settings
from embedstack.models import catalog

GGUF = Path("/models/Qwen3-Embedding-4B-Q4_K_M.gguf")
FOLDER = Path("/hub/models--Qwen--Qwen3-Embedding-4B/snapshots/0123abc")
MANAGED = PlannedEngine(kind="ollama", managed=True, reason="for a test", url="http://127.0.0.1:11434")
EXTERNAL = PlannedEngine(kind="ollama", managed=False, reason="for a test", url="http://127.0.0.1:11434")
EMBEDDED = PlannedEngine(kind="embedded", managed=True, reason="for a test")
VLLM = PlannedEngine(kind="vllm", managed=True, reason="for a test", url="http://127.0.0.1:8000")
ENGINES = {"ollama": MANAGED, "external-ollama": EXTERNAL, "embedded": EMBEDDED, "vllm": VLLM}
GPUS: dict[str, tuple[Gpu | None, ...]] = {
    "ollama": (None, "nvidia", "cdi", "rocm"),
    "external-ollama": (None, "nvidia"),
    "embedded": (None,),
    "vllm": ("nvidia", "cdi"),
}
STORES = ("chroma", "pgvector", "weaviate", "qdrant")
STORE_ELSEWHERE = StoreServer("postgresql://me@127.0.0.1:5432/webui", "a-store-password")


@dataclass(frozen=True)
class FixedSecrets:
    webui_secret_key: str = "a-secret-key"  # noqa: S105 -- opens nothing
    webui_admin_password: str = "a-password"  # noqa: S105
    bridge_key: str = "a-bridge-key"
    bridge_admin_key: str = "an-admin-key"


@dataclass(frozen=True)
class Combination:
    """One way to put a stack together; `name` tells it apart."""

    name: str
    plan: Plan
    gpu: Gpu | None


def settings(**sections: dict[str, Any]) -> Settings:
    """Defaults but for what `sections` say."""
    return msgspec.convert(sections, Settings)


def plan(made_by: PlannedEngine = MANAGED, /, *, beside: bool = False, **sections: dict[str, Any]) -> Plan:
    """The 4B, computed by `made_by`."""
    model = catalog.load().find("qwen3-embedding:4b").model
    served = PlannedModel(model, "qwen3-embedding:4b", "Q4_K_M", 8192, gguf=GGUF, folder=FOLDER)
    bf16 = replace(served, name="qwen3-embedding:4b-bf16", precision="bf16")
    if made_by.kind == "vllm":
        served = bf16
    return Plan(settings(**sections), "docker", "for a test", made_by, served, bf16 if beside else None)


def combinations() -> Iterator[Combination]:
    """All that there are."""
    for kind, engine in ENGINES.items():
        for gpu, store, beside in itertools.product(GPUS[kind], STORES, (False, True)):
            if beside and (kind not in ("ollama", "external-ollama") or gpu not in ("nvidia", "cdi")):
                continue
            parts = [
                kind,
                *([gpu] if gpu else []),
                *(["beside"] if beside else []),
                *([store] if store != "chroma" else []),
            ]
            yield Combination("+".join(parts), plan(engine, beside=beside, webui={"vector_store": store}), gpu)
    smaller = plan(webui={"vector_store": "pgvector"}, model={"dimensions": 1024})
    yield Combination("ollama+pgvector@1024", smaller, None)
    elsewhere = replace(plan(webui={"vector_store": "pgvector"}), store=STORE_ELSEWHERE)
    yield Combination("ollama+external-store", elsewhere, None)
