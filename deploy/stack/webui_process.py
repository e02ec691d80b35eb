"""The environment in which a stack's Open WebUI runs: of its process, or of its container."""

from __future__ import annotations

from collections.abc import Mapping

import psutil

from embedstack.deploy.docker import client, containers
from embedstack.deploy.native import parts
from embedstack.deploy.plan.plan import Mode
from embedstack.deploy.state import PartState
from embedstack.deploy.webui import role
from embedstack.deploy.webui.settings import shown

SEEN = (
    *role.ENVIRONMENT,
    *("RAG_EMBEDDING_ENGINE", "RAG_EMBEDDING_MODEL", "RAG_OLLAMA_BASE_URL", "RAG_OLLAMA_API_KEY"),
    *("RAG_EMBEDDING_BATCH_SIZE", "ENABLE_ASYNC_EMBEDDING", "RAG_EMBEDDING_CONCURRENT_REQUESTS"),
    shown.PERSISTENT,
)
"""What of it is looked at: the rest is nobody's business here."""


def environment(stack: str, mode: Mode, running: PartState) -> Mapping[str, str] | None:
    """What it was started with, as far as it is SEEN; None where the system does not show it."""
    whole = _of_container(stack) if mode == "docker" else _of_process(running.pid)
    return None if whole is None else {name: value for name, value in whole.items() if name in SEEN}


def _of_process(pid: int | None) -> Mapping[str, str] | None:
    try:
        return None if pid is None else psutil.Process(pid).environ()
    except psutil.Error:
        return None


def _of_container(project: str) -> Mapping[str, str] | None:
    with client.client() as connected:
        for container in containers.look(connected, project):
            if containers.service(container) == parts.WEBUI:
                given = (entry.partition("=") for entry in container["Config"].get("Env") or ())
                return {name: value for name, _, value in given}
    return None
