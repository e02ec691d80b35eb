"""What `up` and the other verbs ask of either mode.

The stack as it was found, before anything is done to it.

Which of the two modes runs a stack: by what is planned, or by what was brought up before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from embedstack.deploy import record
from embedstack.deploy.console import Report
from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.docker.runner import Containers, PlannedContainers
from embedstack.deploy.docker.variables import machine
from embedstack.deploy.errors import CommandFailed, EngineNotUsable, FileDamaged, NotRunning, PartNotReady
from embedstack.deploy.native import parts
from embedstack.deploy.native.runner import NativeRunner
from embedstack.deploy.places import Places
from embedstack.deploy.plan.environment import WebuiSecrets
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.record import Record
from embedstack.deploy.state import PartState
from embedstack.deploy.webui import install


class Running(Protocol):
    """A stack as it is found. Its parts are called the same in both modes: ollama, vllm, bridge, open-webui."""

    def states(self) -> tuple[PartState, ...]:
        """Every part; empty where nothing of the stack runs."""

    def stop(self, *, volumes: bool) -> tuple[str, ...]:
        """Stop all of it, and take its data away if `volumes`; the names of what was stopped."""

    def restart(self, names: Sequence[str]) -> tuple[PartState, ...]:
        """Start these anew, all where none is named; NotRunning for a name that is none."""

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


def of_record(record: Record, places: Places, report: Report) -> Running:
    """For the verbs that find a stack as it is."""
    if record.mode == "docker":
        return Containers(record.stack, report)
    return NativeRunner(places, report)


def of_folder(places: Places, report: Report) -> Running:
    """For a stack whose record is damaged: processes, where a supervisor or its record is there, else containers."""
    native = NativeRunner(places, report)
    return native if native.states() else Containers(places.root.name, report)


def of_plan(
    plan: Plan, secrets: WebuiSecrets, places: Places, report: Report, *, daemon: Daemon | None, gpu: bool
) -> Runner:
    """For `up`. `gpu`: whether this machine has one for vLLM."""
    if plan.mode == "docker":
        groups, kind = (daemon.groups, daemon.gpu) if daemon else (None, None)
        return PlannedContainers(plan.settings.stack.name, report, plan, secrets, places, kind, machine(groups))
    stamp = parts.write_files(plan, secrets, places)
    webui = install.environment(plan.settings.webui).program if plan.settings.webui.enabled else None
    here = parts.Surroundings(
        webui=webui, gpu=gpu and not plan.settings.engine.cpu, names=machine(None).names, stamp=stamp
    )
    return NativeRunner(places, report, parts.specs(plan, secrets, places, here))


@dataclass(frozen=True)
class Before:
    """`record` is what `up` last made, None where there was no such stack; `parts` as they are now."""

    record: Record | None = None
    parts: tuple[PartState, ...] = ()

    @property
    def up(self) -> Record | None:
        """The record, where something of that stack still runs."""
        return self.record if any(part.state != "stopped" for part in self.parts) else None

    def has(self, name: str, address: str) -> bool:
        """Whether the part of that name runs, and is what answers there."""
        return any(part.name == name and part.state != "stopped" and part.address == address for part in self.parts)


def look_before(where: Places, report: Report) -> Before:
    """Never raises: what cannot be asked is not there. A damaged record is warned of; the parts are found without."""
    known: Record | None = None
    try:
        known = record.read(where)
        running = of_record(known, where, report)
    except NotRunning:
        return Before()
    except FileDamaged as error:
        report.warn(error.message)
        running = of_folder(where, report)
    with suppress(NotRunning, EngineNotUsable, CommandFailed, PartNotReady):
        return Before(known, running.states())
    return Before(known)
