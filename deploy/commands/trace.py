"""`embedstack trace`: what clients ask a bridge for, as it comes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Group

from embedstack.deploy.bridge_api import BridgeApi
from embedstack.deploy.console import Report
from embedstack.deploy.stack.bridge_access import Access
from embedstack.deploy.trace_record import TraceRecord, head

POLL = 0.5  # seconds between two looks


@dataclass(frozen=True)
class Trace:
    """The requests of late, oldest first."""

    url: str
    records: tuple[TraceRecord, ...]

    def __rich__(self) -> Group | str:
        if not self.records:
            return f"{self.url} has been asked for no vectors since its start"
        return Group(head(), *(record.__rich__() for record in self.records))


def trace(access: Access, last: int) -> Trace:
    """The last so many. PartNotReady where no bridge answers there, or the key is no administrator's."""
    with BridgeApi(access.url, access.key) as api:
        return Trace(access.url, tuple(_tail(api.trace(0), last)))


def follow(access: Access, last: int, report: Report) -> None:
    """Tell the last so many, then each as it comes, until interrupted. PartNotReady as `trace`."""
    report.head(head())
    with BridgeApi(access.url, access.key) as api:
        for record in records(api.trace, last, pause=time.sleep):
            report.entry(record)


def records(
    ask: Callable[[int], list[TraceRecord]], last: int, *, pause: Callable[[float], None]
) -> Iterator[TraceRecord]:
    """The last so many, then what comes, without an end. A bridge that was started anew counts from 1 again."""
    found = ask(0)
    seen = found[-1].seq if found else 0
    yield from _tail(found, last)
    while True:
        pause(POLL)
        for record in ask(seen):
            seen = record.seq
            yield record


def _tail(found: list[TraceRecord], last: int) -> list[TraceRecord]:
    return found[-last:] if last else []
