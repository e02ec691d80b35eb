"""A process of our own: started, watched, restarted with backoff, and stopped with us.

How a process ended, and whether a text can have done it: a fault of the program may be one, a signal from outside
is not.
"""

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from embedstack.bridge.errors import EngineNotReady
from embedstack.host import processes

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


log = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0  # seconds before a restart
STEADY = 10.0  # seconds after which an end counts as the first again
LOG_LINES = 20
_BLOCK = 65_536  # bytes; by blocks and not by lines, since a line may be longer than any buffer

Said = Mapping[str, Any]
"""What a program says of itself once it serves."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of a program. `beginning` begins its standard input, which then stays open; `descriptors` are its own
    from then on, and closed here; `variables` are its environment's where the bridge's own does not set them.
    """

    command: Sequence[str]
    beginning: bytes = b""
    descriptors: Sequence[int] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


class Child:
    """Runs what `launch` returns at each start: a program that prints one line of JSON when it serves. `understood` is
    given that line as a dict, and raises EngineNotReady where it does not say what it should; any line will do without.
    """

    def __init__(
        self,
        launch: Callable[[], Launch],
        *,
        start_timeout: float,
        understood: Callable[[Said], None] = lambda _said: None,
    ) -> None:
        self._launch = launch
        self._understood = understood
        self._start_timeout = start_timeout
        self._process: Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._drains: tuple[asyncio.Task[None], ...] = ()
        self._serving = asyncio.Event()
        self._last_lines: deque[str] = deque(maxlen=LOG_LINES)
        self._killing = False  # the end to come is our own doing
        self._killed_before = 0
        self._end: asyncio.Future[Ending] | None = None
        self._said: Said = {}
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def end(self) -> asyncio.Future[Ending]:
        """Of the process that runs now: done when it has ended. Raises nothing."""
        assert self._end is not None  # noqa: S101 -- asked of a child that serves
        return self._end

    async def start(self) -> None:
        """EngineNotReady, with the last lines it wrote, where it ends or does not serve in time."""
        if self._watcher is None:
            await self._spawn()
            self._watcher = asyncio.create_task(self._watch(), name="embedded engine")

    async def wait_serving(self, seconds: float) -> Said:
        """What it has said of itself, as soon as it serves. TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._serving.wait()
        return self._said

    async def restart(self) -> None:
        """End the process; the watcher starts the next. Returns when that serves, or TimeoutError."""
        self.kill()
        await self.wait_serving(self._start_timeout)

    def kill(self) -> None:
        """End the process, stuck as it may be; the watcher starts the next."""
        self._serving.clear()
        self._kill()

    async def stop(self) -> None:
        if self._watcher:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
            self._watcher = None
        self._kill()
        if self._process:
            await self._process.wait()

    async def _spawn(self) -> None:
        launch = self._launch()
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *launch.command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env={**launch.variables, **processes.environment(os.environ)},
                start_new_session=True,
                pass_fds=launch.descriptors,
            )
        finally:
            for descriptor in launch.descriptors:
                os.close(descriptor)
        self._last_lines.clear()
        self._end, self._killing = asyncio.get_running_loop().create_future(), False
        self._killed_before = killed_for_memory()
        assert process.stdin is not None  # noqa: S101 -- asked for as a pipe
        process.stdin.write(launch.beginning)
        assert process.stdout is not None  # noqa: S101 -- likewise
        assert process.stderr is not None  # noqa: S101 -- likewise
        errors = asyncio.create_task(self._drain(process.stderr))
        try:
            async with asyncio.timeout(self._start_timeout):
                line = await process.stdout.readline()
        except TimeoutError:
            self._kill()
            line = b""
        if not line:
            await process.wait()
            await errors
            said = "\n".join(self._last_lines) or "it wrote nothing"
            raise EngineNotReady(f"The embedded engine did not start: {said}", "Check the GGUF file and the memory.")
        self._drains = (errors, asyncio.create_task(self._drain(process.stdout)))
        try:
            self._said = _said(line)
            self._understood(self._said)
        except EngineNotReady:
            self._kill()
            await process.wait()
            raise
        self._serving.set()

    async def _watch(self) -> None:
        loop, delay = asyncio.get_running_loop(), FIRST_DELAY
        while True:
            started = loop.time()
            assert self._process is not None  # noqa: S101 -- _spawn ran first
            status = await self._process.wait()
            self._serving.clear()
            ending = Ending(status, self._killing, killed_for_memory() - self._killed_before)
            if not self.end.done():
                self.end.set_result(ending)
            delay = FIRST_DELAY if loop.time() - started > STEADY else min(delay * 2, LONGEST_DELAY)
            log.warning(
                "the embedded engine ended with status %s (%s); starting it again in %.1f s", status, ending, delay
            )
            await asyncio.sleep(delay)
            self.restarts += 1
            try:
                await self._spawn()
            except Exception as error:  # noqa: BLE001 -- whatever it is, the next attempt comes
                log.error("no embedded engine yet: %s", error)

    async def _drain(self, stream: asyncio.StreamReader) -> None:
        """A pipe that nobody reads stops the process that writes to it."""
        while block := await stream.read(_BLOCK):
            for line in block.decode("utf-8", "replace").splitlines():
                self._last_lines.append(line)
                log.debug("engine: %s", line)

    def _kill(self) -> None:
        if self._process and self._process.returncode is None:
            self._killing = True
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def _said(line: bytes) -> Said:
    try:
        said = orjson.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise EngineNotReady(
            f"The embedded engine wrote {line[:200]!r} where it describes itself.", "Look at the bridge's log."
        )
    return said
