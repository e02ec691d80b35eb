"""How a process ended, and whether a text can have done it: a fault of the program may be one, a signal from outside
is not.
"""

import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# What a program does to itself. Every other signal is sent: by the out-of-memory killer, a person, a service manager.
_OWN_FAULTS = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}
)
_SHELL = 128  # a shell or a container reports signal n as status 128 + n
_VMSTAT, _MEMINFO = Path("/proc/vmstat"), Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a process. `status` is negative for a signal; `by_us` where the bridge itself sent it;
    `killed_for_memory` counts what the kernel's out-of-memory killer ended on this machine meanwhile.
    """

    status: int
    by_us: bool = False
    killed_for_memory: int = 0

    @property
    def may_be_text(self) -> bool:
        """Whether what the process was working on can have ended it."""
        if self.by_us or self.status == 0:
            return False
        number = self._signal
        return number is None or number in _OWN_FAULTS

    def __str__(self) -> str:
        """`SIGKILL, which the kernel's out-of-memory killer sent (0.2 GiB of memory are free)`."""
        if self.by_us:
            return "the bridge itself"
        number = self._signal
        if number is None:
            return f"exit status {self.status}"
        if number in _OWN_FAULTS:
            return f"{_name(number)}, a fault of its own"
        return f"{_name(number)}, {self._sender(number)}"

    @property
    def _signal(self) -> int | None:
        if self.status < 0:
            return -self.status
        return self.status - _SHELL if self.status > _SHELL else None

    def _sender(self, number: int) -> str:
        if number != signal.SIGKILL:
            return "which a person or another program sent"
        free = available_memory()
        memory = "" if free is None else f" ({free / 2**30:.1f} GiB of memory are free now)"
        if self.killed_for_memory:
            return f"most likely the kernel's out-of-memory killer, which was at work meanwhile{memory}"
        return f"which the out-of-memory killer or a person sends{memory}"


def killed_for_memory() -> int:
    """Processes that this machine's out-of-memory killer has ended since it started; 0 where the kernel does not say.
    The kernel's log has more, but is root's to read.
    """
    return next(_numbers(_VMSTAT, "oom_kill "), 0)


def available_memory() -> int | None:
    """Bytes, None where the kernel does not say."""
    return next((kib * 1024 for kib in _numbers(_MEMINFO, "MemAvailable:")), None)


def _numbers(file: Path, prefix: str) -> Iterator[int]:
    with suppress(OSError, ValueError, IndexError):
        yield from (int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith(prefix))


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
