"""Accepting connections, and when not to: a connection for which no descriptor is left would be closed unanswered.

Reading that pauses, and a client that leaves while it does.
"""

import asyncio
import logging
import resource
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl

log = logging.getLogger(__name__)

# Descriptors for engines, the cache's files and what a library opens.
SPARE = 64
# Connections that are accepted in one turn of the loop. libuv, under uvloop, accepts one for each listening handle:
# with one handle, thousands that come at once wait for as many turns, minutes on a machine that is busy.
ACCEPTS = 8
# Seconds between two lines about the same.
AGAIN = 60.0


class Room:
    """Room for `most` connections. While it is full nothing is accepted: new ones wait in the system's backlog,
    where thousands have room, and are served when another leaves.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._open = 0
        self._closed = False
        self._said = -AGAIN
        self._server: Server | None = None

    def serves(self, server: "Server") -> None:
        self._server = server

    def came(self) -> None:
        self._open += 1
        if self._open >= self.most and not self._closed and self._server is not None:
            self._closed = True
            self._server.pause()
            self._say()

    def left(self) -> None:
        self._open -= 1
        if self._closed and self._open < self.most and self._server is not None:
            self._closed = False
            self._server.resume()

    def _say(self) -> None:
        now = time.monotonic()
        if now - self._said >= AGAIN:
            self._said = now
            log.warning(
                "%d connections are open, as many as the limit of %d open files allows: further ones wait until one is "
                "closed. Raise the limit (`ulimit -n`, or LimitNOFILE= in a systemd unit) and restart, or let clients "
                "close what they do not use.",
                self._open,
                resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            )


class Server(uvicorn.Server):
    """Can stop accepting without giving up its place: the listening sockets stay open, and their backlog with them."""

    def __init__(self, config: uvicorn.Config, room: Room) -> None:
        super().__init__(config)
        self._room = room
        self._listening: list[socket.socket] = []
        self._resuming: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening = [one.dup() for server in self.servers for one in server.sockets]
            await self._accept(ACCEPTS - 1)
            self._room.serves(self)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for one in self._listening:
            one.close()
        await super().shutdown(sockets)

    def pause(self) -> None:
        for server in self.servers:
            server.close()
        self.servers = []

    def resume(self) -> None:
        if not self.should_exit:
            self._resuming = asyncio.get_running_loop().create_task(self._accept(ACCEPTS))

    async def _accept(self, handles: int) -> None:
        loop, config = asyncio.get_running_loop(), self.config

        def connection() -> asyncio.Protocol:
            return config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state, _loop=loop
            )

        for one in self._listening * handles:
            self.servers.append(await loop.create_server(connection, sock=one.dup(), backlog=config.backlog))


def connections(per_connection: int) -> int:
    """How many connections may be open, each of which takes so many descriptors."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, (limit - _open_files() - min(SPARE, limit // 4)) // per_connection)


def _open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir()) if Path("/dev/fd").is_dir() else SPARE


# Seconds between two looks at a connection that is not being read. Nothing else tells that its client has gone: the end
# of a connection is read like its bytes, behind those that nobody has read.
LOOK = 0.3
# Linux alone tells of an end behind unread bytes; elsewhere only a reset is noticed.
_ENDED = getattr(select, "POLLRDHUP", 0)  # of POLLHUP and POLLERR poll tells unasked


class Flow(FlowControl):
    """`gone` is called once the other side has ended its sending, or reset the connection, while reading is paused."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, gone: Callable[[], None]) -> None:
        super().__init__(transport)
        self._loop = loop
        self._gone = gone
        self._timer: asyncio.TimerHandle | None = None

    def pause_reading(self) -> None:
        super().pause_reading()
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK, self._look)

    def resume_reading(self) -> None:
        if self.read_paused:
            super().resume_reading()
            self.stop()

    def stop(self) -> None:
        """The connection is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._transport.is_closing():
            return
        looking = select.poll()
        looking.register(self._transport.get_extra_info("socket").fileno(), _ENDED)
        if looking.poll(0):
            self._gone()
        else:
            self._timer = self._loop.call_later(LOOK, self._look)
