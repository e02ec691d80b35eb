"""Connections that come at once are accepted many at a time, and not at all while there is no room for them."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import uvicorn
import uvloop

from embedstack.bridge.listen.listener import Room, Server
from embedstack.bridge.listen.protocol import protocol

CLIENTS = 200


class Clients(ExitStack):
    """Connections to a server, as many as are asked for."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._address = server.servers[0].sockets[0].getsockname()
        self.sockets: list[socket.socket] = []

    def come(self, number: int) -> None:
        self.sockets += [self.enter_context(socket.create_connection(self._address)) for _ in range(number)]


async def nothing(_: Any, __: Any, ___: Any) -> None:
    """An application that nobody asks."""


async def served(most: int, steps: Callable[[Server, Clients], Any]) -> None:
    room = Room(most)
    config = uvicorn.Config(nothing, port=0, http=protocol(120.0, room), ws="none", lifespan="off", log_config=None)
    config.load()
    server = Server(config, room)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    with Clients(server) as clients:
        await steps(server, clients)
    await server.shutdown()


def open_now(server: Server) -> int:
    return len(server.server_state.connections)


def test_many_are_accepted_in_few_turns() -> None:
    """200 that wait are in after far fewer turns of the loop: no one waits 200 times as long as a busy turn takes."""

    async def steps(server: Server, clients: Clients) -> None:
        clients.come(CLIENTS)
        for _ in range(CLIENTS // 3):
            await asyncio.sleep(0)
        assert open_now(server) == CLIENTS

    uvloop.run(served(10_000, steps))


def test_what_finds_no_room_waits(caplog: pytest.LogCaptureFixture) -> None:
    """And is accepted when others leave, each of them."""

    async def until(server: Server, number: int) -> None:
        async with asyncio.timeout(20):
            while open_now(server) != number:  # noqa: ASYNC110 -- it is looked at from outside
                await asyncio.sleep(0)

    async def steps(server: Server, clients: Clients) -> None:
        clients.come(20)
        await until(server, 20)
        clients.come(50)
        for _ in range(200):
            await asyncio.sleep(0)
        assert 50 <= open_now(server) < 50 + 8  # one turn's more
        for client in clients.sockets[:40]:
            client.close()
        await until(server, 30)

    uvloop.run(served(50, steps))
    assert caplog.text.count("further ones wait until one is closed") == 1
