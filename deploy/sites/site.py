"""What everything else asks of the place where a stack's parts run; `native` and `docker` beside this answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from embedstack.deploy.console import Report
from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.places import Places
from embedstack.deploy.plan.engines import Facts
from embedstack.deploy.plan.environment import WebuiSecrets
from embedstack.deploy.plan.plan import Plan, PlannedEngine
from embedstack.deploy.settings import Settings
from embedstack.deploy.state import PartState
from embedstack.deploy.webui.install import WebuiEnvironment
from embedstack.models.model import Model


class Running(Protocol):
    """A stack as it is found. Its parts are called the same at both sites: ollama, vllm, bridge, open-webui."""

    def states(self) -> tuple[PartState, ...]:
        """Every part; empty where nothing of the stack runs."""

    def stop(self, *, volumes: bool) -> tuple[str, ...]:
        """Stop all of it, and take its data away if `volumes`; the names of what was stopped."""

    def restart(self, names: Sequence[str]) -> tuple[PartState, ...]:
        """Start these again, all where none is named; NotRunning for a name that is none."""

    def logs(self, names: Sequence[str], *, lines: int, follow: bool) -> Iterator[str]:
        """The last lines of each part, then what comes."""


class Runner(Running, Protocol):
    """A stack as it is planned."""

    def start(self, names: Sequence[str]) -> bool:
        """See that these run as planned, and wait until they are ready; whether anything had to be done for it.

        PartNotReady or CommandFailed, with the last lines of the part's log.
        """

    def in_webui(self, script: str, argument: str) -> str:
        """What a Python script prints in Open WebUI's environment, with its variables. PartNotReady, CommandFailed."""


@dataclass(frozen=True)
class DiskUse:
    """What a stack is about to put into a folder.

    Attributes:
        setting: how to choose another folder.
        bytes: still to come.
        ours: whether it is this user who writes there.
    """

    what: str
    folder: Path
    setting: str
    bytes: int
    ours: bool = True


@dataclass(frozen=True)
class WebuiPython:
    """What runs a script beside Open WebUI's database, and where it finds that."""

    argv: tuple[str, ...]
    database: str


class Site(Protocol):
    """Where the parts of a stack run."""

    @property
    def shares_network(self) -> bool:
        """Whether the parts know this machine's names, and reach what listens on its loopback alone."""

    @property
    def inherits(self) -> bool:
        """Whether the parts have the environment and the limits of anyone who starts the stack."""

    @property
    def holds_ports(self) -> bool:
        """Whether the process that listens is the part itself, not Docker's daemon on its behalf."""

    def found(self, stack: str, places: Places, report: Report) -> Running:
        """A stack that was brought up before."""

    def runner(
        self, plan: Plan, secrets: WebuiSecrets, places: Places, report: Report, *, daemon: Daemon | None, gpu: bool
    ) -> Runner:
        """A stack that is to be brought up. `gpu`: whether this machine has one for vLLM."""

    def engine(self, settings: Settings, model: Model, facts: Facts) -> PlannedEngine:
        """What computes the vectors. Blocked where no engine is available."""

    def ensure_vllm(self, settings: Settings, facts: Facts) -> None:
        """Blocked where there is no vLLM that could be started beside Ollama."""

    def ensure_store(self, store: str) -> None:
        """InvalidSettings where the stack cannot run this server of vectors by itself."""

    def bridge_url(self, plan: Plan) -> str:
        """The bridge as Open WebUI reaches it."""

    def use_ollama(self, url: str, another: str) -> str:
        """What to do about an Ollama that has the port of the stack's own. `another`: what starts that elsewhere."""

    def ollama(self, plan: Plan, environ: Mapping[str, str]) -> tuple[str, ...]:
        """How Ollama's own command is typed for the Ollama of the stack; empty where there is no such program."""

    def disk_use(
        self, plan: Plan, environ: Mapping[str, str], daemon: Daemon | None, ollama_bytes: int
    ) -> Iterator[DiskUse]:
        """What comes onto the disks besides the stack's own folder. `ollama_bytes`: of Ollama's copy of the model."""

    def webui_environment(self, settings: Settings) -> WebuiEnvironment | None:
        """What Open WebUI has to be installed into; None where there is none, or its image has everything."""

    def webui_version(self, settings: Settings) -> str | None:
        """The version of Open WebUI that a stack is to have; None where nobody can tell before it runs."""

    def webui_ran(self, places: Places) -> bool:
        """Whether Open WebUI was started once: its first start makes the administrator."""

    def webui_python(self, stack: str, settings: Settings, places: Places) -> WebuiPython:
        """For a script that changes Open WebUI's database. NotRunning where there is none yet."""

    def webui_variables(self, stack: str, running: PartState) -> Mapping[str, str] | None:
        """The environment that Open WebUI was started with; None where the system does not show it."""
