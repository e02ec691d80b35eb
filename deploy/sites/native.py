"""Processes of this user, on this machine's own network, disks and limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from embedstack.deploy.console import Report
from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.docker.variables import machine
from embedstack.deploy.errors import Blocked, InvalidSettings, NotRunning
from embedstack.deploy.native import parts
from embedstack.deploy.native.runner import NativeRunner
from embedstack.deploy.ollama import locate
from embedstack.deploy.places import Places
from embedstack.deploy.plan import engines
from embedstack.deploy.plan.engines import Blocker, Facts
from embedstack.deploy.plan.environment import WebuiSecrets
from embedstack.deploy.plan.plan import Plan, PlannedEngine
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites.site import DiskUse, WebuiPython
from embedstack.deploy.state import PartState
from embedstack.deploy.webui import at_rest, install
from embedstack.deploy.webui.install import WebuiEnvironment
from embedstack.models.model import Model

OLLAMA_SETTING = "OLLAMA_MODELS"


@dataclass(frozen=True)
class Native:
    """The parts as processes, kept by a supervisor."""

    shares_network: bool = True
    inherits: bool = True
    holds_ports: bool = True

    def found(self, stack: str, places: Places, report: Report) -> NativeRunner:
        return NativeRunner(places, report)

    def runner(
        self,
        plan: Plan,
        secrets: WebuiSecrets,
        places: Places,
        report: Report,
        *,
        daemon: Daemon | None,
        gpu: bool,
    ) -> NativeRunner:
        stamp = parts.write_files(plan, secrets, places)
        webui = self.webui_environment(plan.settings)
        here = parts.PartSurroundings(
            webui=webui.program if webui else None,
            gpu=gpu and not plan.settings.engine.cpu,
            names=machine(None).names,
            stamp=stamp,
        )
        return NativeRunner(places, report, parts.specs(plan, secrets, places, here))

    def engine(self, settings: Settings, model: Model, facts: Facts) -> PlannedEngine:
        return _had(engines.choose(settings, model, facts))

    def ensure_vllm(self, settings: Settings, facts: Facts) -> None:
        _had(engines.vllm(settings, facts))

    def ensure_store(self, store: str) -> None:
        raise InvalidSettings(
            f"webui.vector_store is {store}, which is a server of its own; as processes, the stack starts none.",
            "Name one that runs in webui.vector_store_url (its password in webui.vector_store_key_file); or take "
            "`--mode docker`, which starts one; or leave webui.vector_store as it is.",
        )

    def bridge_url(self, plan: Plan) -> str:
        return plan.bridge_url

    def use_ollama(self, url: str, another: str) -> str:
        return (
            f"To use it: unset OLLAMA_HOST, or let it or engine.url name it (`embedstack up --set engine.url={url}`); "
            f"the stack then leaves it alone when it goes down. Or {another} starts another."
        )

    def ollama(self, plan: Plan, environ: Mapping[str, str]) -> tuple[str, ...]:
        return locate.command(str(plan.ollama_url), environ)

    def disk_use(
        self,
        plan: Plan,
        environ: Mapping[str, str],
        daemon: Daemon | None,
        ollama_bytes: int,
    ) -> Iterator[DiskUse]:
        if plan.engine.kind == "ollama" and not plan.engine.elsewhere:
            folder = Path(environ.get(OLLAMA_SETTING) or "~/.ollama/models").expanduser()
            # One that runs already may be another user's: where it keeps its models is then not ours to write.
            yield DiskUse("Ollama's copy of it", folder, OLLAMA_SETTING, ollama_bytes, ours=plan.engine.managed)
        if (there := self.webui_environment(plan.settings)) is not None:
            missing = 0 if there.installed else install.needed_bytes()
            yield DiskUse("Open WebUI", there.folder, "EMBEDSTACK_CACHE, or --no-webui", missing)

    def webui_environment(self, settings: Settings) -> WebuiEnvironment | None:
        return install.environment(settings.webui) if settings.webui.enabled else None

    def webui_version(self, settings: Settings) -> str | None:
        return settings.webui.version

    def webui_ran(self, places: Places) -> bool:
        return (parts.webui_data(places) / at_rest.DATABASE).exists()

    def webui_python(self, stack: str, settings: Settings, places: Places) -> WebuiPython:
        installed, database = install.environment(settings.webui), parts.webui_data(places) / at_rest.DATABASE
        if not installed.complete or not database.exists():
            raise NotRunning("Open WebUI has never run in this stack.", "`embedstack up --webui` brings it up.")
        return WebuiPython((str(installed.python), "-I"), str(database))

    def webui_variables(self, stack: str, running: PartState) -> Mapping[str, str] | None:
        try:
            return None if running.pid is None else psutil.Process(running.pid).environ()
        except psutil.Error:
            return None


def _had(engine: PlannedEngine | Blocker) -> PlannedEngine:
    if isinstance(engine, Blocker):
        raise Blocked(engine.message, engine.advice)
    return engine
