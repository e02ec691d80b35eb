"""An engine that takes a fixed time a text, one text after another: `python -m benchmarks.paced PORT FILE SECONDS`.

A small machine has no cores for four real engines; this stands for one that computes elsewhere.
"""

import asyncio
import sys
from pathlib import Path
from typing import cast

import msgspec
import orjson
import uvloop

from benchmarks.upstream import LENGTH, Known, Script


class Paced(asyncio.Protocol):
    """As the fast upstream, but each answer waits for its turn."""

    def __init__(self, script: Script, turn: asyncio.Lock, seconds: float) -> None:
        self._script = script
        self._turn = turn
        self._seconds = seconds
        self._received = b""
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, registered nowhere

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self._received, 0, end)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < stop:
                return
            path, body = self._received[:end].split(b" ", 2)[1], self._received[end + 4 : stop]
            self._received = self._received[stop:]
            task = asyncio.ensure_future(self._answer(path, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, path: bytes, body: bytes) -> None:
        texts = orjson.loads(body)["input"] if body else []
        if texts:
            async with self._turn:
                await asyncio.sleep(self._seconds * len(texts))
        self._transport.write(self._script.answer(path, body))


async def _serve(port: int, script: Script, seconds: float) -> None:
    turn = asyncio.Lock()
    server = await asyncio.get_running_loop().create_server(lambda: Paced(script, turn, seconds), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    known = msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=list[Known])
    uvloop.run(_serve(int(sys.argv[1]), Script(known), float(sys.argv[3])))


if __name__ == "__main__":
    main()
