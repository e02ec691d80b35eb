"""Embedding settings into Open WebUI: all of them, or none.

Open WebUI embeds with new settings before it writes them to its database (0.12.4): where that is locked it answers 500
and goes on with what it did not keep, until its next start. So it is first asked to keep what it has.

What Open WebUI's embedding settings should be, and where they differ. Pure.

After its first start Open WebUI takes them from its database and no longer from the environment.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from embedstack.deploy.errors import PartNotReady, WebuiRefused
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.webui.client import Webui

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


_URLS = {"ollama": "ollama_config", "openai": "openai_config", "azure_openai": "azure_openai_config"}


def put(webui: Webui, must: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What was changed; nothing is sent where nothing differs.

    PartNotReady, WebuiRefused: nothing was changed then, or it is said that something was.
    """
    before = webui.embedding()
    differs = differences(before, must)
    if not differs:
        return ()
    _rehearse(webui, before)
    try:
        webui.set_embedding(must)
    except PartNotReady as error:
        raise _undone(webui, before, error) from error
    if left := differences(webui.embedding(), must):
        raise WebuiRefused(
            f"Open WebUI took the settings and did not keep them: {'; '.join(map(str, left))}.",
            "Where several copies of it share one database, or its environment is meant to win "
            "(ENABLE_PERSISTENT_CONFIG=False), set them there.",
        )
    return differs


def _rehearse(webui: Webui, before: Mapping[str, Any]) -> None:
    """Have it keep what it has, by the same call: what fails here has changed nothing."""
    if before.get("RAG_EMBEDDING_ENGINE") not in _URLS:
        return  # its own engine reads its model into memory again for it
    try:
        webui.set_embedding(_sendable(before))
    except PartNotReady as error:
        raise WebuiRefused(
            f"Open WebUI at {webui.url} does not keep settings now, so none was changed: {error.message}",
            "Its database may be locked by a backup, or its disk full; `embedstack logs open-webui` has what it says. "
            "Then run the command again.",
        ) from error


def _undone(webui: Webui, before: Mapping[str, Any], error: PartNotReady) -> WebuiRefused:
    with suppress(PartNotReady):
        webui.set_embedding(_sendable(before))
        return WebuiRefused(f"{error.message} Its settings are as they were.", error.advice)
    return WebuiRefused(
        f"{error.message} It may embed with the new settings until its next start, though it did not keep them.",
        "Restart it, `embedstack restart open-webui`, and run the command again.",
    )


def _sendable(before: Mapping[str, Any]) -> dict[str, Any]:
    """Its own settings as the update wants them: the address of its engine alone, and not the answer's status."""
    address = _URLS.get(str(before.get("RAG_EMBEDDING_ENGINE")))
    plain = {name: value for name, value in before.items() if name.isupper()}
    return plain | ({address: before[address]} if address and address in before else {})
