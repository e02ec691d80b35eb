"""What the figures were measured on. Nothing that names a person or a host."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """`load` is the mean number of runnable processes over the last minute, when the run began: above 0, others ran."""

    date: str
    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    load: float

    def __str__(self) -> str:
        size = f"{self.cores} cores, {self.memory_gb:.0f} GB"
        return f"{self.date}: {self.cpu}, {size}, {self.system}, Python {self.python}, load before {self.load:.1f}"


def describe() -> Machine:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return Machine(
        date=datetime.now(UTC).date().isoformat(),
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(memory, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        load=os.getloadavg()[0],
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
