"""`embedstack restart`: parts are started anew."""

from collections.abc import Sequence

from embedstack.deploy import record
from embedstack.deploy.console import Report
from embedstack.deploy.places import places
from embedstack.deploy.stack import runners
from embedstack.deploy.stack.result import Status
from embedstack.deploy.state import exit_code


def restart(stack: str, names: Sequence[str], report: Report) -> Status:
    """NotRunning where there is no such stack, or no such part of it."""
    where = places(stack)
    known = record.read(where)
    parts = runners.of_record(known, where, report).restart(names)
    return Status(known.stack, known.mode, known.model, parts, exit_code(parts))
