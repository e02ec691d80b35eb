"""`embedstack status`: how each part of a stack is."""

from deploy.console import Report
from deploy.errors import NotRunning
from deploy.places import places
from deploy.stack import going, record, runners
from deploy.stack.result import Status
from deploy.state import NOT_WELL, exit_code


def status(stack: str, report: Report) -> Status:
    """NotRunning where there is no such stack, and no `up` that is about to make it."""
    where = places(stack)
    up = going.read(where)
    try:
        known = record.read(where)
    except NotRunning:
        if up is None:
            raise
        return Status(up.stack, up.mode, up.model, (), NOT_WELL, up)
    parts = runners.of_record(known, where, report).states()
    return Status(known.stack, known.mode, known.model, parts, exit_code(parts), up)
