"""Which of the two modes runs a stack: by what is planned, or by what was brought up before."""

from __future__ import annotations

from embedstack.deploy.console import Report
from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.docker.machine import machine
from embedstack.deploy.docker.runner import Containers, PlannedContainers
from embedstack.deploy.native import files, parts
from embedstack.deploy.native.runner import NativeRunner
from embedstack.deploy.places import Places
from embedstack.deploy.plan.environment import WebuiSecrets
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.record import Record
from embedstack.deploy.stack.runner import Runner, Running
from embedstack.deploy.webui import install


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
    stamp = files.write(plan, secrets, places)
    webui = install.environment(plan.settings.webui).program if plan.settings.webui.enabled else None
    here = parts.Here(webui=webui, gpu=gpu and not plan.settings.engine.cpu, names=machine(None).names, stamp=stamp)
    return NativeRunner(places, report, parts.specs(plan, secrets, places, here))
