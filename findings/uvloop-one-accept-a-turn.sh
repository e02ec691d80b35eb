#!/bin/sh
# uvloop accepts one connection for each listening socket in a turn of its loop; asyncio's own loop takes those that wait.
# Thousands of connections that come at once wait for as many turns, each as long as all other work that is ready.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvloop==0.23.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import sys
from importlib.metadata import version

import uvloop

WAITING = 200


class Counted(asyncio.Protocol):
    made = 0

    def connection_made(self, transport):
        Counted.made += 1


async def turns():
    """Turns of the loop until all connections that wait are accepted."""
    Counted.made, turned = 0, 0
    server = await asyncio.get_running_loop().create_server(Counted, "127.0.0.1", 0, backlog=1024)
    clients = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(WAITING)]
    while Counted.made < WAITING:
        turned += 1
        await asyncio.sleep(0)
    for client in clients:
        client.close()
    return turned


own, theirs = asyncio.run(turns()), uvloop.run(turns())
print(f"Python {sys.version.split()[0]}, uvloop {version('uvloop')}")
print(f"{WAITING} connections wait: accepted after {own} turns of asyncio's loop, after {theirs} of uvloop's")
sys.exit(not (own < WAITING / 10 and theirs >= WAITING))
PYTHON
