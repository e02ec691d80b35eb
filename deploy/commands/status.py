"""`embedstack status`: how each part of a stack is."""

from deploy.console import Report
from deploy.places import places
from deploy.stack import record, runners
from deploy.stack.result import Status
from deploy.state import exit_code


def status(stack: str, report: Report) -> Status:
    """NotRunning where there is no such stack."""
    where = places(stack)
    known = record.read(where)
    parts = runners.of_record(known, where, report).states()
    return Status(known.stack, known.mode, known.model, parts, exit_code(parts))
