"""Embedding settings into Open WebUI: all of them, or none.

Open WebUI embeds with new settings before it writes them to its database (0.12.4): where that is locked it answers 500
and goes on with what it did not keep, until its next start. So it is first asked to keep what it has.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from embedstack.deploy.errors import PartNotReady, WebuiRefused
from embedstack.deploy.webui import wanted
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.wanted import Difference

_URLS = {"ollama": "ollama_config", "openai": "openai_config", "azure_openai": "azure_openai_config"}


def put(webui: Webui, must: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What was changed; nothing is sent where nothing differs.

    PartNotReady, WebuiRefused: nothing was changed then, or it is said that something was.
    """
    before = webui.embedding()
    differs = wanted.differences(before, must)
    if not differs:
        return ()
    _rehearse(webui, before)
    try:
        webui.set_embedding(must)
    except PartNotReady as error:
        raise _undone(webui, before, error) from error
    if left := wanted.differences(webui.embedding(), must):
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
