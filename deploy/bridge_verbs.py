"""`embedstack cache …`: the cache of a bridge that runs, over its own API."""

from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.text import Text

from embedstack.deploy.bridge_client import BridgeClient


@dataclass(frozen=True)
class Disk:
    """`state`: on, read-only, full or off, and `reason` why. `bytes` of `most` in the files of `folder`."""

    folder: str
    state: str
    reason: str
    entries: int
    bytes: int
    most: int
    damaged: int


@dataclass(frozen=True)
class CacheStats:
    """What a bridge keeps; `disk` None where it keeps nothing there."""

    url: str
    memory_entries: int
    memory_bytes: int
    memory_most: int
    disk: Disk | None

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


def stats(url: str, key: str | None) -> CacheStats:
    """BridgeRefused where no bridge answers there, or the key is no administrator's."""
    told = BridgeClient(url, key).cache()
    disk = told["disk"]
    return CacheStats(
        url, told["memory_entries"], told["memory_bytes"], told["memory_most"], None if disk is None else _disk(disk)
    )


def clear(url: str, key: str | None) -> Cleared:
    """Forget every vector, and the golden vectors by which the model is known again. BridgeRefused."""
    before = stats(url, key)
    BridgeClient(url, key).clear_cache()
    return Cleared(url, max(before.memory_entries, before.disk.entries if before.disk else 0))


def _disk(told: dict[str, Any]) -> Disk:
    return Disk(**{name: told[name] for name in Disk.__dataclass_fields__})


def _line(tier: str, entries: int, size: int, most: int) -> Text:
    return Text(f"{tier:<8}{entries:,} vectors, {size / 2**20:.1f} of {most / 2**20:.0f} MiB")
