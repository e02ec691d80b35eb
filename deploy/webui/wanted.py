"""What Open WebUI's embedding settings should be, and where they differ. Pure.

After its first start Open WebUI takes them from its database and no longer from the environment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from embedstack.deploy.plan.plan import Plan

SECRET = "********"  # noqa: S105 -- what is shown in place of one


@dataclass(frozen=True)
class Difference:
    """A setting that is not as it should be; keys are masked."""

    name: str
    value: str
    must: str

    def __str__(self) -> str:
        return f"{self.name} is {self.value}, and should be {self.must}"


def embedding(plan: Plan, bridge_url: str, key: str) -> dict[str, Any]:
    """What the stack of this plan wants."""
    pace = plan.settings.webui
    return fields(plan.webui_model, bridge_url, key, batch=pace.batch, concurrency=pace.concurrency)


def fields(model: str, bridge_url: str, key: str, *, batch: int, concurrency: int) -> dict[str, Any]:
    """All fields of /api/v1/retrieval/embedding/update: what is left out there is set back to Open WebUI's default."""
    return {
        "RAG_EMBEDDING_ENGINE": "ollama",
        "RAG_EMBEDDING_MODEL": model,
        "RAG_EMBEDDING_BATCH_SIZE": batch,
        "ENABLE_ASYNC_EMBEDDING": True,
        "RAG_EMBEDDING_CONCURRENT_REQUESTS": concurrency,
        "ollama_config": {"url": bridge_url, "key": key},
    }


def differences(is_set: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Where what is set is not what is wanted, field by field."""
    return tuple(_differences("", is_set, wanted))


def _differences(prefix: str, is_set: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Difference]:
    for name, must in wanted.items():
        value = is_set.get(name)
        if isinstance(must, Mapping):
            yield from _differences(f"{prefix}{name}.", value if isinstance(value, Mapping) else {}, must)
        elif value != must:
            shown = (SECRET, SECRET) if name == "key" else (repr(value), repr(must))
            yield Difference(f"{prefix}{name}", *shown)
