"""Containers, on a network of their own; what they publish, Docker's daemon listens for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.docker import argv, cli, containers, variables
from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.docker.runner import Containers, PlannedContainers
from embedstack.deploy.native import parts
from embedstack.deploy.ollama.locate import command as native_command
from embedstack.deploy.places import Places
from embedstack.deploy.plan.engines import Facts
from embedstack.deploy.plan.environment import WebuiSecrets
from embedstack.deploy.plan.plan import Plan, PlannedEngine
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites.site import DiskUse, WebuiPython
from embedstack.deploy.state import PartState
from embedstack.deploy.webui import at_rest, install
from embedstack.host.addresses import LOOPBACK
from embedstack.models.model import Model


@dataclass(frozen=True)
class Docker:
    """The parts as containers of one Compose project."""

    shares_network: bool = False
    inherits: bool = False
    holds_ports: bool = False

    def found(self, stack: str, places: Places, report: Report) -> Containers:
        return Containers(stack, report)

    def runner(
        self,
        plan: Plan,
        secrets: WebuiSecrets,
        places: Places,
        report: Report,
        *,
        daemon: Daemon | None,
        gpu: bool,
    ) -> PlannedContainers:
        groups, kind = (daemon.groups, daemon.gpu) if daemon else (None, None)
        host = variables.machine(groups)
        return PlannedContainers(plan.settings.stack.name, report, plan, secrets, places, kind, host)

    def engine(self, settings: Settings, model: Model, facts: Facts) -> PlannedEngine:
        match settings.engine.kind:
            case "embedded":
                return PlannedEngine("embedded", True, "as asked for: llama.cpp inside the bridge's container")
            case "vllm":
                return PlannedEngine("vllm", True, "as asked for", f"http://{LOOPBACK}:{settings.ports.vllm}")
            case "ollama" | "auto" if settings.engine.url is not None:
                return PlannedEngine("ollama", False, "engine.url names it", settings.engine.url)
            case "ollama" | "auto":
                url = f"http://{LOOPBACK}:{settings.ports.ollama}"
                return PlannedEngine("ollama", True, "in a container of its own", url)

    def ensure_vllm(self, settings: Settings, facts: Facts) -> None:
        """Its image has everything."""

    def ensure_store(self, store: str) -> None:
        """There is an image for each."""

    def bridge_url(self, plan: Plan) -> str:
        return variables.BRIDGE

    def use_ollama(self, url: str, another: str) -> str:
        return f"{another} starts another in a container; this one, on {LOOPBACK}, cannot be reached from containers."

    def ollama(self, plan: Plan, environ: Mapping[str, str]) -> tuple[str, ...]:
        if not plan.engine.own_ollama:
            return native_command(str(plan.ollama_url), environ)
        return (*argv.compose(plan.settings.stack.name), "exec", "ollama", "ollama")

    def disk_use(
        self,
        plan: Plan,
        environ: Mapping[str, str],
        daemon: Daemon | None,
        ollama_bytes: int,
    ) -> Iterator[DiskUse]:
        if daemon is None or daemon.why_not or not Path(daemon.root or "/no-such-folder").exists():
            return  # a daemon in a virtual machine, or on another one: its disk cannot be seen from here
        copies = ollama_bytes if plan.engine.own_ollama else 0
        image = plan.settings.images.webui
        absent = plan.settings.webui.enabled and cli.output(["docker", "image", "inspect", image]) is None
        total = copies + (install.WITH_CUDA if absent else 0)
        yield DiskUse(
            "images and volumes", Path(daemon.root), "`data-root` in /etc/docker/daemon.json", total, ours=False
        )

    def webui_environment(self, settings: Settings) -> None:
        """Its image has everything."""

    def webui_version(self, settings: Settings) -> str | None:
        """None for an image whose tag does not name one."""
        tag = settings.images.webui.partition("@")[0].rpartition("/")[2].partition(":")[2]
        found = re.match(r"v?(\d+\.\d+[\w.]*)", tag)
        return found[1] if found else None

    def webui_ran(self, places: Places) -> bool:
        return places.plan.exists()

    def webui_python(self, stack: str, settings: Settings, places: Places) -> WebuiPython:
        return WebuiPython(tuple(argv.python(stack, parts.WEBUI)), f"{variables.WEBUI_DATA}/{at_rest.DATABASE}")

    def webui_variables(self, stack: str, running: PartState) -> Mapping[str, str] | None:
        with cli.client() as connected:
            for container in containers.look(connected, stack):
                if containers.service(container) == parts.WEBUI:
                    given = (entry.partition("=") for entry in container["Config"].get("Env") or ())
                    return {name: value for name, _, value in given}
        return None
