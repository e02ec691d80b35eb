"""The process that owns a native stack: it starts the parts, watches over them, and answers over a socket.

When it is killed its parts go on; the next one finds them by the record and takes them over.

Does a part answer? One GET on loopback, without blocking the supervisor's loop.
"""

import asyncio
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from embedstack.deploy.native import logs, protocol
from embedstack.deploy.native.household import Household
from embedstack.deploy.native.watched import Watched
from embedstack.deploy.places import Places
from embedstack.readers.content import Damaged

TIMEOUT = 5.0  # seconds


async def answers(url: str) -> bool:
    """Whether a GET of `url` (http only) is answered with 200."""
    try:
        return await asyncio.wait_for(_get(url), TIMEOUT) == 200
    except (OSError, ValueError, TimeoutError):
        return False


async def _get(url: str) -> int:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    reader, writer = await asyncio.open_connection(host, port)
    try:
        # HTTP/1.0: anyone who answers closes the connection.
        writer.write(f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        await writer.drain()
        return int((await reader.readline()).split()[1])
    except IndexError as error:
        raise ValueError(f"{url} did not answer in HTTP") from error
    finally:
        writer.close()


log = logging.getLogger(__name__)

TICK = 0.1  # seconds
ROTATE_EVERY = 50  # ticks
SETTLED = 1.0  # seconds; a part without an address is taken to be well when it has run for so long


class AlreadyRunning(Exception):
    """Another supervisor has this stack."""


def run(places: Places) -> None:
    """Supervise the stack until it is shut down, by request or by SIGTERM. AlreadyRunning, OSError."""
    with _only_one(places.run / "supervisor.lock"):
        asyncio.run(Supervisor(places).run())


class Supervisor:
    """One run of it."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._household = Household(places.logs, dict(os.environ), os.getpid())
        self._ending = False
        self._unwritten = False
        self._probes: dict[Watched, asyncio.Task[None]] = {}

    async def run(self) -> None:
        if (left := protocol.read_record(self._places)) is not None:
            self._household.take_over(left)
        self._write_record()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._end)
        path = protocol.socket_path(self._places)
        server = await _listen(self, path)
        try:
            await self._watch()
        finally:
            server.close()
            path.unlink(missing_ok=True)
        protocol.remove_record(self._places)

    async def _watch(self) -> None:
        ticks = 0
        while not self._ending or self._household.parts:
            if self._household.tick() or (self._unwritten and ticks % ROTATE_EVERY == 0):
                self._write_record()
            self._probe()
            ticks += 1
            if ticks % ROTATE_EVERY == 0:
                self._household.rotate()
            await asyncio.sleep(TICK)

    def _end(self) -> None:
        self._ending = True
        self._household.answer(protocol.Request("shutdown"))

    def _probe(self) -> None:
        """Ask each part that has not been ready yet, all at once: one that hangs holds up no other."""
        self._probes = {part: task for part, task in self._probes.items() if not task.done()}
        for part in self._household.parts.values():
            if part.run is not None and not part.ready and part not in self._probes:
                self._probes[part] = asyncio.get_running_loop().create_task(_ask(part))

    def _write_record(self) -> None:
        try:
            protocol.write_record(self._places, self._household.record())
            self._unwritten = False
        except OSError as error:  # a full disk must not end what watches over the parts
            log.error("the record could not be written: %s", error)
            self._unwritten = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request, one reply."""
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.write(protocol.encode(self._answer(await reader.readuntil(b"\n"))))
            await writer.drain()
        writer.close()

    def _answer(self, line: bytes) -> protocol.Reply:
        try:
            request = protocol.request(line)
        except Damaged as error:
            return protocol.Reply(os.getpid(), error=f"not a request: {error}")
        if self._ending and request.do in {"apply", "restart"}:
            return protocol.Reply(os.getpid(), error="the stack is being stopped")
        answer = self._household.answer(request)
        if request.do == "shutdown":
            self._ending = True
        if request.do != "status":
            self._write_record()
        return answer


async def _ask(part: Watched) -> None:
    run = part.run
    url = part.spec.ready_url
    ready = await answers(url) if url else run is not None and run.lasted > SETTLED
    if ready and part.run is run:  # and not the one that has been started meanwhile
        part.is_ready()


async def _listen(supervisor: Supervisor, path: Path) -> asyncio.Server:
    """Listen on a socket of this user's alone; one that a killed supervisor has left there is replaced."""
    mask = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(supervisor.serve, path, limit=protocol.LONGEST)
    finally:
        os.umask(mask)


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with os.fdopen(os.open(lock, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(str(lock)) from error
        yield


def detach(log: Path) -> bool:
    """Leave the caller's session and terminal, and write to `log`; False in the caller, which may end."""
    sys.stdout.flush()
    if os.fork():
        return False
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    with logs.opened(log) as output:
        for descriptor, target in ((nothing, 0), (output.fileno(), 1), (output.fileno(), 2)):
            os.dup2(descriptor, target)
    return True
