"""`embedstack cache …`, the cache of a bridge that runs, and `embedstack trace`, what clients ask it as they do."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from embedstack.contract.answers import CacheStats
from embedstack.deploy.bridge_client import Access, BridgeApi, BridgeClient
from embedstack.deploy.console import Report
from embedstack.deploy.trace_record import TraceLine, head


@dataclass(frozen=True)
class KeptByBridge(CacheStats):
    """What the bridge at `url` keeps."""

    url: str

    def __rich__(self) -> Group:
        lines = [_line("memory", self.memory_entries, self.memory_bytes, self.memory_most)]
        if self.disk is None:
            lines.append(Text("disk    none, as configured"))
        else:
            lines.append(_line("disk", self.disk.entries, self.disk.bytes, self.disk.most))
            lines.append(Text(f"        {self.disk.folder}", no_wrap=True, overflow="ignore"))
            if self.disk.state != "on":
                lines.append(Text(f"        {self.disk.state}: {self.disk.reason}", style="yellow"))
        return Group(*lines)


@dataclass(frozen=True)
class Cleared:
    """How many vectors were forgotten."""

    url: str
    entries: int

    def __rich__(self) -> str:
        return f"{self.entries} vectors forgotten; {self.url} computes them anew"


def cache_stats(url: str, key: str | None) -> KeptByBridge:
    """BridgeRefused where no bridge answers there, or the key is no administrator's."""
    told = BridgeClient(url, key).cache()
    return KeptByBridge(told.memory_entries, told.memory_bytes, told.memory_most, told.disk, url)


def clear_cache(url: str, key: str | None) -> Cleared:
    """Forget every vector, and the golden vectors by which the model is known again. BridgeRefused."""
    before = cache_stats(url, key)
    BridgeClient(url, key).clear_cache()
    return Cleared(url, max(before.memory_entries, before.disk.entries if before.disk else 0))


def _line(tier: str, entries: int, size: int, most: int) -> Text:
    return Text(f"{tier:<8}{entries:,} vectors, {size / 2**20:.1f} of {most / 2**20:.0f} MiB")


POLL = 0.5  # seconds between two looks


@dataclass(frozen=True)
class Asked:
    """The requests of late, oldest first."""

    url: str
    records: tuple[TraceLine, ...]

    def __rich__(self) -> Group | str:
        if not self.records:
            return f"{self.url} has been asked for no vectors since its start"
        return Group(head(), *(record.__rich__() for record in self.records))


def trace(access: Access, last: int) -> Asked:
    """The last so many. PartNotReady where no bridge answers there, or the key is no administrator's."""
    with BridgeApi(access.url, access.key) as api:
        return Asked(access.url, tuple(_tail(api.trace(0), last)))


def follow(access: Access, last: int, report: Report) -> None:
    """Tell the last so many, then each as it comes, until interrupted. PartNotReady as `trace`."""
    report.head(head())
    with BridgeApi(access.url, access.key) as api:
        for record in records(api.trace, last, pause=time.sleep):
            report.entry(record)


def records(ask: Callable[[int], list[TraceLine]], last: int, *, pause: Callable[[float], None]) -> Iterator[TraceLine]:
    """The last so many, then what comes, without an end. A bridge that was started anew counts from 1 again."""
    found = ask(0)
    seen = found[-1].seq if found else 0
    yield from _tail(found, last)
    while True:
        pause(POLL)
        for record in ask(seen):
            seen = record.seq
            yield record


def _tail(found: list[TraceLine], last: int) -> list[TraceLine]:
    return found[-last:] if last else []
