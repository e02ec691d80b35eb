"""`embedstack status`: how each part of a stack is."""

from embedstack.deploy import record
from embedstack.deploy.console import Report
from embedstack.deploy.errors import NotRunning
from embedstack.deploy.places import places
from embedstack.deploy.stack import going, runners
from embedstack.deploy.stack.result import Status
from embedstack.deploy.state import NOT_WELL, exit_code


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
