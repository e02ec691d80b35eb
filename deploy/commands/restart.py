"""`embedstack restart`: parts are started anew."""

from collections.abc import Sequence

from deploy.console import Report
from deploy.places import places
from deploy.stack import record, runners
from deploy.stack.result import Status
from deploy.state import exit_code


def restart(stack: str, names: Sequence[str], report: Report) -> Status:
    """NotRunning where there is no such stack, or no such part of it."""
    where = places(stack)
    known = record.read(where)
    parts = runners.of_record(known, where, report).restart(names)
    return Status(known.stack, known.mode, known.model, parts, exit_code(parts))
