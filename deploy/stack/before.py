"""The stack as it was found, before anything is done to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from embedstack.deploy import record
from embedstack.deploy.console import Report
from embedstack.deploy.errors import CommandFailed, EngineNotUsable, FileDamaged, NotRunning, PartNotReady
from embedstack.deploy.places import Places
from embedstack.deploy.record import Record
from embedstack.deploy.stack import runners
from embedstack.deploy.state import PartState


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


def look(where: Places, report: Report) -> Before:
    """Never raises: what cannot be asked is not there. A damaged record is warned of; the parts are found without."""
    known: Record | None = None
    try:
        known = record.read(where)
        running = runners.of_record(known, where, report)
    except NotRunning:
        return Before()
    except FileDamaged as error:
        report.warn(error.message)
        running = runners.of_folder(where, report)
    with suppress(NotRunning, EngineNotUsable, CommandFailed, PartNotReady):
        return Before(known, running.states())
    return Before(known)
