"""What engines have been seen to do wrong, and what they might, each by its name."""

import asyncio
import gzip
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import orjson

from tests.upstreams.apis import as_list
from tests.upstreams.scripted import Call, Fault, Vector, good
from tests.upstreams.server import JSON, Connection

Change = Callable[[list[Vector]], Sequence[Any]]
HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"


def rows(change: Change) -> Fault:
    """The right answer with other rows."""

    async def fault(call: Call, connection: Connection) -> None:
        changed = change(call.rows)
        # An engine writes all its vectors in one way.
        same = all(isinstance(row, np.ndarray) for row in changed)
        await connection.answer(200, call.body(changed if same else [as_list(row) for row in changed]))

    return fault


def body(change: Callable[[Any], Any]) -> Fault:
    """The right answer with another body; `change` is given the parsed one."""

    async def fault(call: Call, connection: Connection) -> None:
        await connection.answer(200, orjson.dumps(change(orjson.loads(call.body()))))

    return fault


def says(status: int, content: bytes, content_type: str = JSON) -> Fault:
    """One answer, whatever was asked."""

    async def fault(_: Call, connection: Connection) -> None:
        await connection.answer(status, content, content_type)

    return fault


def error(status: int, message: str) -> Fault:
    """An error in Ollama's words; OpenAI's adapter reads the same text."""
    return says(status, orjson.dumps({"error": message}))


def _first(change: Callable[[Vector], Any]) -> Change:
    return lambda vectors: [change(vectors[0]), *vectors[1:]]


def _one(value: float) -> Callable[[Vector], Vector]:
    """The vector with one number replaced."""

    def change(vector: Vector) -> Vector:
        changed = vector.copy()
        changed[7] = value
        return changed

    return change


def _with_null(vector: Vector) -> list[float | None]:
    return [None, *vector.tolist()[1:]]


def _half(vector: Vector) -> Vector:
    """A read that stopped half-way: the rest of the buffer is still zero."""
    changed = vector.copy()
    changed[len(vector) // 2 :] = 0
    return changed


def _ending(vector: Vector) -> Vector:
    """A unit vector that says nothing in the numbers that a cut to 32 would keep."""
    changed = vector.copy()
    changed[:32] = 0
    return changed / np.linalg.norm(changed)


nulls = rows(lambda vectors: [[None] * len(vector) for vector in vectors])  # llama.cpp #14812
one_null = rows(_first(_with_null))
zero = rows(_first(np.zeros_like))  # what Ollama makes of those nulls
infinite = rows(_first(_one(np.inf)))
too_big_for_float32 = rows(_first(lambda vector: [1e39, *vector.tolist()[1:]]))
nan = rows(_first(_one(np.nan)))
nan_refused = error(400, "embedding contains NaN or Inf values")  # Ollama since 0.14
nan_not_written = error(500, "failed to encode response: json: unsupported value: NaN")  # before that
half_zero = rows(_first(_half))
huge = rows(lambda vectors: [vector * np.float32(1e25) for vector in vectors])
empty_beginning = rows(lambda vectors: [_ending(vector) for vector in vectors])
tiny = rows(lambda vectors: [vector * np.float32(1e-12) for vector in vectors])

too_few = rows(lambda vectors: vectors[:-1])
too_many = rows(lambda vectors: [*vectors, vectors[0]])
none_at_all = rows(lambda _: [])
one_number_short = rows(lambda vectors: [vector[:-1] for vector in vectors])
other_model = rows(lambda vectors: [vector[:1024] / np.linalg.norm(vector[:1024]) for vector in vectors])
uneven = rows(_first(lambda vector: vector[:-1]))
strings = rows(lambda vectors: [[str(number) for number in vector.tolist()] for vector in vectors])
one_string = rows(_first(lambda vector: [str(vector[0]), *vector.tolist()[1:]]))
booleans = rows(lambda vectors: [[True] * len(vector) for vector in vectors])
nested = rows(lambda vectors: [[vector.tolist()] for vector in vectors])
row_is_null = rows(_first(lambda _: None))

empty_body = says(200, b"")
not_json = says(200, b"{embeddings: [[0.1")
json_list = says(200, b"[[0.1, 0.2]]")
json_nothing = says(200, b"{}")
html_page = says(200, HTML, "text/html")
html_error = says(502, HTML, "text/html")
nan_literal = says(200, b'{"embeddings": [[NaN]], "data": [{"index": 0, "embedding": [NaN]}]}')

busy = error(503, "server busy, please try again.  maximum pending requests exceeded")
too_many_requests = error(429, "Model is overloaded")  # text-embeddings-inference; proxies that meter
gateway_timeout = says(504, HTML.replace(b"502 Bad Gateway", b"504 Gateway Time-out"), "text/html")
# Ollama's words while its runner is not up: what it was asked to embed has not reached it.
load_killed = error(500, "llama-server process has terminated: signal: killed")
health_reset = error(500, 'health resp: Get "http://127.0.0.1:1/health": read: connection reset by peer')
runner_gone = error(400, "llama-server process no longer running: 137 killed")
gone = error(404, 'model "demo" not found, try pulling it first')
teapot = error(418, "short and stout")

by_index_shuffled = body(lambda answer: {**answer, "data": answer["data"][::-1]})
index_twice = body(lambda answer: {**answer, "data": [{**entry, "index": 0} for entry in answer["data"]]})
index_missing = body(lambda answer: {**answer, "data": [{"embedding": entry["embedding"]} for entry in answer["data"]]})
index_beyond = body(
    lambda answer: {**answer, "data": [{**entry, "index": entry["index"] + 1} for entry in answer["data"]]}
)
index_is_text = body(
    lambda answer: {**answer, "data": [{**entry, "index": str(entry["index"])} for entry in answer["data"]]}
)
base64_cut = body(
    lambda answer: {
        **answer,
        "data": [{**entry, "embedding": entry["embedding"][:-3]} for entry in answer["data"]],
    }
)
base64_of_odd_length = rows(lambda vectors: ["AAAA"] * len(vectors))
no_usage = body(lambda answer: {key: value for key, value in answer.items() if key != "usage"})


async def far_too_large(_: Call, connection: Connection) -> None:
    """Forty megabytes where some thousand numbers belong."""
    rows = b"0.12345678," * 4_000_000
    await connection.answer(200, b'{"embeddings":[[' + rows + b'1]],"data":[{"index":0,"embedding":[1]}]}')


async def runner_eof(call: Call, connection: Connection) -> None:
    """The engine's process ends under the call, as its API shows it."""
    await call.api.die(connection)


async def reset_before_head(_: Call, connection: Connection) -> None:
    connection.reset()


async def closed_before_head(_: Call, connection: Connection) -> None:
    connection.close()


async def reset_mid_body(call: Call, connection: Connection) -> None:
    content = call.body()
    await connection.head(200, len(content))
    await connection.write(content[: len(content) // 2])
    connection.reset()


async def closed_mid_body(call: Call, connection: Connection) -> None:
    """The half that does arrive is followed by an orderly end, so only the length tells."""
    content = call.body()
    await connection.head(200, len(content))
    await connection.write(content[: len(content) // 2])
    connection.close()


async def endless_head(_: Call, connection: Connection) -> None:
    """A head that goes on and on; anyone who reads it gives up."""
    await connection.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await connection.write(b"X-More: and more\r\n" * 1000)


async def ends_after_a_while(call: Call, connection: Connection) -> None:
    """The engine works at it, and then it is ended."""
    await asyncio.sleep(0.1)
    await call.api.die(connection)


async def hang(_: Call, __: Connection) -> None:
    """Take the request and never answer."""
    await asyncio.Event().wait()


async def trickle(call: Call, connection: Connection) -> None:
    """The right answer, a few bytes at a time: never idle, never done."""
    content = call.body()
    await connection.head(200, len(content))
    for byte in content:
        await connection.write(bytes((byte,)))
        await asyncio.sleep(0.05)


async def goes_away_after(call: Call, connection: Connection) -> None:
    """A good answer on a connection that says nothing of closing, and is closed."""
    await connection.answer(200, call.body())
    connection.close()


async def drops_reused(call: Call, connection: Connection) -> None:
    """The race of every keep-alive: the server's idle timeout ends just as the next request comes in."""
    if connection.requests > 1:
        connection.close()
    else:
        await connection.answer(200, call.body())


async def compressed(call: Call, connection: Connection) -> None:
    """What a reverse proxy before the engine may do to a client that has allowed it."""
    content = call.body()
    if "gzip" in call.accepts:
        await connection.answer(200, gzip.compress(content, 1), Content_Encoding="gzip")
    else:
        await connection.answer(200, content)


class Crash:
    """An engine that serves several calls at once and dies under all of them: `kills` ends every `bystander`'s call.

    Each waits for the other, but not for long: one that is sent alone meets only its own fate.
    """

    LONG = 0.3

    def __init__(self) -> None:
        self._crash = asyncio.Event()
        self._bystander = asyncio.Event()

    async def kills(self, call: Call, connection: Connection) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bystander.wait(), self.LONG)
        self._crash.set()
        self._crash = asyncio.Event()
        await call.api.die(connection)

    async def bystander(self, call: Call, connection: Connection) -> None:
        self._bystander.set()
        try:
            await asyncio.wait_for(self._crash.wait(), self.LONG)
        except TimeoutError:
            await good(call, connection)
        else:
            await call.api.die(connection)
        finally:
            self._bystander.clear()
