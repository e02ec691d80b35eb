"""`embedstack down`: what `up` started is stopped."""

from collections.abc import Callable

from deploy.console import Report
from deploy.errors import Blocked
from deploy.places import places
from deploy.stack import record, runners
from deploy.stack.result import Down


def down(stack: str, report: Report, *, volumes: bool, sure: Callable[[], bool]) -> Down:
    """Stop the stack; its data stay unless `volumes`, for which `sure` is asked.

    NotRunning where there is none, Blocked where nobody was sure.
    """
    where = places(stack)
    known = record.read(where)
    if volumes and not sure():
        raise Blocked("Nothing was taken away.", "Say --yes if the data are to go; without --volumes they stay.")
    with report.step(f"stopping {stack}"):
        stopped = runners.of_record(known, where, report).stop(volumes=volumes)
    if volumes:
        where.remove()
    left = "its data are gone too" if volumes else f"its data stay in {where.root}"
    if known.engine == "ollama" and not known.managed:
        left += f"; the Ollama at {known.ollama_url} was there before and goes on"
    return Down(known.stack, stopped, left)
