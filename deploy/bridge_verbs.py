"""`embedstack cache …`, the cache of a bridge that runs, and `embedstack trace`, what clients ask it as they do."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group
from rich.text import Text

from embedstack.contract.answers import CacheStats, TraceRecord
from embedstack.deploy.bridge_client import Access, BridgeApi, BridgeClient
from embedstack.deploy.console import Report


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
        return f"{self.entries} vectors forgotten; {self.url} computes them again"


def cache_stats(url: str, key: str | None) -> KeptByBridge:
    """BridgeRefused where no bridge answers there, or the key is not an administrator's."""
    answer = BridgeClient(url, key).cache()
    return KeptByBridge(answer.memory_entries, answer.memory_bytes, answer.memory_most, answer.disk, url)


def clear_cache(url: str, key: str | None) -> Cleared:
    """Forget every vector, and the golden vectors by which the model is known again. BridgeRefused."""
    before = cache_stats(url, key)
    BridgeClient(url, key).clear_cache()
    return Cleared(url, max(before.memory_entries, before.disk.entries if before.disk else 0))


def _line(tier: str, entries: int, size: int, most: int) -> Text:
    return Text(f"{tier:<8}{entries:,} vectors, {size / 2**20:.1f} of {most / 2**20:.0f} MiB")


# One line a request, in columns that hold still while further ones come. A width below 0 is flush right.
_COLUMNS = {
    "time": 12,
    "door": 6,
    "client": 16,
    "model": 22,
    "role": 16,
    "said by": 16,
    "texts": -5,
    "tokens": -7,
    "bytes": -8,
    "size": -5,
    "cache": 8,
    "queue ms": -8,
    "engine ms": -9,
    "status": 6,
}
_ROLES = {"query": "cyan", "document": "green"}


@dataclass(frozen=True, kw_only=True)
class TraceLine(TraceRecord):
    """A request, as a line to be read."""

    @classmethod
    def of(cls, record: TraceRecord) -> "TraceLine":
        return cls(**vars(record))

    def __rich__(self) -> Text:
        line = Text(no_wrap=True, overflow="ignore")
        for name, cell in zip(_COLUMNS, self._cells(), strict=True):
            line.append(_cell(name, cell), self._style(name))
        if self.truncated:
            line.append(f" {self.truncated} cut", "yellow")
        if self.corrected:
            line.append(f" {self.corrected} corrected", "yellow")
        for text in self.input or ():
            line.append(f"\n    {_plain(text, 160)}", "dim")
        return line

    def _cells(self) -> tuple[object, ...]:
        at = datetime.fromtimestamp(self.time).astimezone()
        return (
            f"{at:%H:%M:%S}.{at.microsecond // 1000:03}",
            self.door,
            f"{self.client} {self.user}".strip(),
            self.model,
            self.role if self.task in (self.role, "") else f"{self.role} {self.task}",
            self.source.removeprefix("header "),
            self.texts,
            self.tokens,
            self.bytes,
            self.dimensions or "",
            self._cache(),
            f"{self.queue_ms:.1f}",
            f"{self.engine_ms:.1f}",
            f"{self.status} {self.code}".strip(),
        )

    def _style(self, column: str) -> str:
        if column == "role":
            return _ROLES.get(self.role, "")
        return "red" if column == "status" and self.code else ""

    def _cache(self) -> str:
        """One word where it holds for every text, else how many of them were there."""
        counts = {"hit": self.hit, "joined": self.joined, "miss": self.miss}
        some = [name for name, count in counts.items() if count]
        return some[0] if len(some) == 1 else f"{self.hit}/{self.texts}" if some else ""


def head() -> Text:
    """What stands above the lines of records."""
    return Text("".join(_cell(name, name) for name in _COLUMNS), "bold", no_wrap=True, overflow="ignore")


def _cell(column: str, said: object) -> str:
    width = _COLUMNS[column]
    if column == "status":  # the last, and may be long
        return _plain(str(said), 60)
    text = _plain(str(said), abs(width))
    return f"{text:>{-width}}  " if width < 0 else f"{text:<{width}}  "


def _plain(said: str, most: int) -> str:
    """What a client has said, on one line, and nothing that a terminal would obey."""
    plain = "".join(sign if sign.isprintable() else " " for sign in said)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


POLL = 0.5  # seconds between two looks


@dataclass(frozen=True)
class Asked:
    """The recent requests, oldest first."""

    url: str
    records: tuple[TraceLine, ...]

    def __rich__(self) -> Group | str:
        if not self.records:
            return f"{self.url} has been asked for no vectors since its start"
        return Group(head(), *(record.__rich__() for record in self.records))


def trace(access: Access, last: int) -> Asked:
    """The last so many. PartNotReady where no bridge answers there, or the key is not an administrator's."""
    with BridgeApi(access.url, access.key) as api:
        return Asked(access.url, tuple(map(TraceLine.of, _tail(api.trace(0), last))))


def follow(access: Access, last: int, report: Report) -> None:
    """Tell the last so many, then each as it comes, until interrupted. PartNotReady as `trace`."""
    report.head(head())
    with BridgeApi(access.url, access.key) as api:
        for record in records(api.trace, last, pause=time.sleep):
            report.entry(TraceLine.of(record))


def records(
    ask: Callable[[int], list[TraceRecord]], last: int, *, pause: Callable[[float], None]
) -> Iterator[TraceRecord]:
    """The last so many, then what comes, without an end. A bridge that was restarted counts from 1 again."""
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
