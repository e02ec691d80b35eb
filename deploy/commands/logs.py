"""`embedstack logs`: what the parts of a stack have written."""

from collections.abc import Sequence

from embedstack.deploy import record
from embedstack.deploy.console import Report
from embedstack.deploy.places import places
from embedstack.deploy.stack import runners


def logs(stack: str, names: Sequence[str], report: Report, *, lines: int, follow: bool) -> None:
    """NotRunning where there is no such stack, or no such part of it."""
    where = places(stack)
    for line in runners.of_record(record.read(where), where, report).logs(names, lines=lines, follow=follow):
        report.line(line)
