"""Which GPU this machine has."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

QUERY = ("--query-gpu=name,memory.total,memory.free,driver_version", "--format=csv,noheader,nounits")
KFD_NODES = Path("/sys/class/kfd/kfd/topology/nodes")
TIMEOUT = 15.0  # nvidia-smi wakes the driver, which takes seconds without its persistence daemon
VRAM_HEAPS = ("1", "2")  # of kfd's topology: device memory that the CPU can see, and that it cannot


@dataclass(frozen=True)
class Gpu:
    """One GPU. `free` is None where nobody tells it; Apple's shares the machine's memory."""

    kind: Literal["nvidia", "rocm", "apple"]
    name: str
    total: int
    free: int | None = None
    driver: str = ""

    @property
    def usable(self) -> int:
        """Bytes that a model may take, as far as is known."""
        return self.total if self.free is None else self.free


@dataclass(frozen=True)
class Gpus:
    """All GPUs of the machine; `trouble` is what kept one from being asked."""

    found: tuple[Gpu, ...] = ()
    trouble: str = ""

    @property
    def largest(self) -> Gpu | None:
        """By all of its memory, whatever has it now: what a plan goes by, so that it is the same every time."""
        return max(self.found, key=lambda gpu: gpu.total, default=None)

    @property
    def roomiest(self) -> Gpu | None:
        """Where a model goes: an engine loads one onto one GPU while it fits there."""
        return max(self.found, key=lambda gpu: gpu.usable, default=None)


def look() -> Gpus:
    """The GPUs of this machine. Never raises: what went wrong is in `trouble`."""
    nvidia = _nvidia()
    if nvidia.found or nvidia.trouble:
        return nvidia
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        memory = psutil.virtual_memory()
        return Gpus((Gpu("apple", "Apple GPU (Metal)", memory.total, memory.available),))
    return Gpus(tuple(rocm(KFD_NODES)) if Path("/dev/kfd").exists() else ())


def parse_nvidia_smi(text: str, *, shared: int = 0) -> tuple[Gpu, ...]:
    """GPUs of nvidia-smi's CSV: name, MiB, MiB, driver a line; ValueError for anything else.

    Memory is `[N/A]` where it is the CPU's as well, as on a DGX Spark: `shared` bytes then.
    """
    return tuple(_card(line, shared) for line in filter(None, map(str.strip, text.splitlines())))


def _card(line: str, shared: int) -> Gpu:
    fields = [field.strip() for field in line.rsplit(",", 3)]
    if len(fields) != 4:
        raise ValueError(f"nvidia-smi printed {line!r:.200}, which is not name, total, free, driver")
    name, total, free, driver = fields
    if total.startswith("["):
        return Gpu("nvidia", name, shared, None, driver)
    return Gpu("nvidia", name, int(total) * 2**20, int(free) * 2**20, driver)


def _nvidia() -> Gpus:
    if (program := shutil.which("nvidia-smi")) is None:
        return Gpus()
    try:
        done = subprocess.run(
            [program, *QUERY], capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False
        )
        if done.returncode:
            output = (done.stdout or done.stderr).strip()
            return Gpus(trouble=f"nvidia-smi ended with {done.returncode}: {output:.300}")
        return Gpus(parse_nvidia_smi(done.stdout, shared=psutil.virtual_memory().total))
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return Gpus(trouble=f"nvidia-smi cannot be asked: {error}")


def rocm(nodes: Path) -> Iterator[Gpu]:
    """AMD's, as the kernel's kfd tells them: a node without SIMD units is a CPU."""
    for node in sorted(nodes.glob("*")):
        if int(_properties(node / "properties").get("simd_count", "0")):
            banks = map(_properties, sorted(node.glob("mem_banks/*/properties")))
            total = sum(int(bank["size_in_bytes"]) for bank in banks if bank.get("heap_type") in VRAM_HEAPS)
            if total:
                yield Gpu("rocm", f"AMD GPU (kfd node {node.name})", total)


def _properties(path: Path) -> dict[str, str]:
    pairs = (line.split(maxsplit=1) for line in path.read_text().splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
