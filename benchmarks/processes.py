"""Cores for the processes, and what they use of them: Linux's /proc. A process counts with all of its children."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """One core for what is measured, another for the load and the upstream; the same where there is but one."""

    measured: int
    load: int
    upstream: int


def cores() -> Cores:
    """Of those that this process may run on: with three, load and upstream do not share."""
    free = sorted(os.sched_getaffinity(0))
    return Cores(free[0], free[min(1, len(free) - 1)], free[min(2, len(free) - 1)])


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This thread, and every process started within, stays on `core`; children stay there afterwards too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """`pid` and everything that it started, and they, and so on."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents.setdefault(int(_fields(stat)[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found.extend(parents.get(one, ()))
    return found


def resident_mb(pid: int | str, *, alone: bool = False, field: str = "VmRSS") -> float:
    """Resident memory in MB (10^6 bytes), `alone` without children; memory that several processes share counts for
    each. `field` is a line of /proc/PID/status."""
    return sum(_status_kib(one, field) for one in ([pid] if alone else family(int(pid)))) * 1024 / 1e6


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def cpu_seconds(pid: int) -> float:
    """User and system time so far, in steps of 10 ms."""
    return sum(_ticks(one) for one in family(pid)) / _TICKS


def _status_kib(pid: int | str, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0


def _ticks(pid: int) -> int:
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return int(fields[11]) + int(fields[12])


def _fields(stat: Path) -> list[str]:
    """From `state` on, behind a program name that may hold anything: proc(5)."""
    return stat.read_text(errors="replace").rpartition(")")[2].split()
