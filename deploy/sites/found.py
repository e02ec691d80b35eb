"""Which of the two sites a stack has, and the stack as it is found there before anything is done to it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from embedstack.deploy import record
from embedstack.deploy.console import Report
from embedstack.deploy.docker.runner import Containers
from embedstack.deploy.errors import CommandFailed, EngineNotUsable, FileDamaged, NotRunning, PartNotReady
from embedstack.deploy.native.runner import NativeRunner
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Mode
from embedstack.deploy.record import Record
from embedstack.deploy.sites.docker import Docker
from embedstack.deploy.sites.native import Native
from embedstack.deploy.sites.site import Running, Site
from embedstack.deploy.state import PartState

SITES: Mapping[Mode, Site] = {"native": Native(), "docker": Docker()}


def site(mode: Mode) -> Site:
    """Of a plan, or of what was brought up before."""
    return SITES[mode]


def of_record(record: Record, places: Places, report: Report) -> Running:
    """For the verbs that find a stack as it is."""
    return site(record.mode).found(record.stack, places, report)


def of_folder(places: Places, report: Report) -> Running:
    """For a stack whose record is damaged: processes, where a supervisor or its record is there, else containers."""
    native = NativeRunner(places, report)
    return native if native.states() else Containers(places.root.name, report)


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
