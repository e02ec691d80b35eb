"""How the containers of a stack are, as the daemon tells it. Pure but for `look`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal

from docker import DockerClient

from embedstack.deploy.state import PartState
from embedstack.host.addresses import LOOPBACK

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"
_ORDER = ("ollama", "vllm", "bridge", "bridge-bf16", "pgvector", "weaviate", "qdrant", "open-webui")

State = Literal["running", "starting", "backoff", "failed", "stopped"]
Container = dict[str, Any]
"""What `docker inspect` prints of one."""


def look(client: DockerClient, project: str) -> tuple[Container, ...]:
    """Every container of the project, in the order of the road: engine, bridge, Open WebUI."""
    labels = [f"{PROJECT}={project}", f"{ONE_OFF}=False"]
    # One may be made again between the list and the look.
    found = client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
    return tuple(sorted((container.attrs for container in found), key=_place))


def service(container: Container) -> str:
    return str(container["Config"]["Labels"][SERVICE])


def identity(container: Container) -> tuple[str, str]:
    """What changes when it is made again or started again."""
    return str(container["Id"]), str(container["State"]["StartedAt"])


def state(container: Container) -> PartState:
    """A container as a part of the stack."""
    details = container["State"]
    how, reason = _how(details)
    return PartState(
        name=service(container),
        state=how,
        # Whatever its health: as long as it runs the port is its own, and no stranger's.
        address=_address(container) if details["Status"] == "running" else None,
        pid=details.get("Pid") or None,
        since=_seconds(details.get("StartedAt", "")),
        restarts=int(container.get("RestartCount", 0)),
        reason=reason,
    )


def _how(details: dict[str, Any]) -> tuple[State, str]:
    status, code = details["Status"], details.get("ExitCode", 0)
    if status == "running":
        return _health(details.get("Health") or {})
    if status == "restarting":
        return "backoff", f"it ended with {code} and is started again"
    if status == "created":
        return "stopped", str(details.get("Error") or "it was never started")
    if status == "exited" and code == 0:
        return "stopped", "it ended"
    killed = ", out of memory" if details.get("OOMKilled") else ""
    return "failed", str(details.get("Error") or f"it ended with {code}{killed}")


def _health(health: dict[str, Any]) -> tuple[State, str]:
    status = health.get("Status", "healthy")
    if status == "healthy":
        return "running", ""
    log = health.get("Log") or [{}]
    lines = str(log[-1].get("Output", "")).strip().splitlines()
    last = lines[-1] if lines else ""
    return ("starting", last or "not healthy yet") if status == "starting" else ("failed", last or "not healthy")


def _address(container: Container) -> str | None:
    published = (container.get("NetworkSettings") or {}).get("Ports") or {}
    bound = [binding for bindings in published.values() for binding in bindings or ()]
    if not bound:
        return None
    host = bound[0]["HostIp"]
    return f"http://{LOOPBACK if host in ('', '0.0.0.0', '::') else host}:{bound[0]['HostPort']}"  # noqa: S104


def _seconds(details: str) -> float | None:
    """Seconds since 1970 of 2026-11-25T17:00:00.123456789Z; None for the year 1, which stands for never."""
    if not details or details.startswith("0001"):
        return None
    # Nanoseconds are three digits more than Python reads.
    return datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", details).replace("Z", "+00:00")).timestamp()


def _place(container: Container) -> tuple[int, str]:
    name = service(container)
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)
