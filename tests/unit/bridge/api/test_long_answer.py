"""An answer of many vectors goes out in slices: the same bytes, and others get their turn between two of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from embedstack.bridge.api.answers import LongAnswer, pieces
from embedstack.bridge.request import Departure

VECTORS = [np.array([0.1 * number, 1 / 3], np.float32) for number in range(7)]
OLLAMA = {"model": 'a "name"', "embeddings": VECTORS, "prompt_eval_count": 9}
HEADERS = [(b"content-type", b"application/json")]


def openai() -> dict[str, Any]:
    rows = ({"index": index, "embedding": vector} for index, vector in enumerate(VECTORS))
    return {"object": "list", "data": rows, "model": "data"}


@pytest.mark.parametrize("entries", [1, 3, 7, 100])
def test_the_pieces_are_what_would_have_been_written_at_once(entries: int) -> None:
    """To the byte, whether the list is there or is made entry by entry."""
    whole = orjson.dumps(OLLAMA, option=orjson.OPT_SERIALIZE_NUMPY)
    assert whole == b"".join(pieces(OLLAMA, "embeddings", entries))
    whole = orjson.dumps(openai(), default=list, option=orjson.OPT_SERIALIZE_NUMPY)
    assert whole == b"".join(pieces(openai(), "data", entries))


def test_no_piece_is_made_before_the_one_before_it_was_taken() -> None:
    """Or all of them would be in memory."""
    made: list[int] = []

    def entries() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            yield number

    given = pieces({"model": "m", "embeddings": entries(), "n": 5}, "embeddings", 2)
    assert [len(made) for _ in given] == [0, 2, 4, 5, 5]


class Client:
    """Takes what is sent; `departure` happens after the start and `stays` pieces."""

    def __init__(self, stays: int = 100) -> None:
        self.sent: list[dict[str, Any]] = []
        self.departure = Departure()
        self._stays = stays

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if len(self.sent) > self._stays:
            self.departure.happen()

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


async def receive() -> Any:
    raise AssertionError("nothing more is read")


def answered(client: Client, version: str = "1.1") -> tuple[list[tuple[float, int]], int]:
    """What `done` was given, and how many turns another task had meanwhile."""
    done: list[tuple[float, int]] = []
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> None:
        other = asyncio.create_task(others())
        answer = LongAnswer(pieces(OLLAMA, "embeddings", 1), HEADERS, lambda *reported: done.append(reported))
        await answer({"http_version": version, "departure": client.departure}, receive, client.send)
        other.cancel()

    asyncio.run(run())
    return done, turns


def test_others_have_their_turn_after_each_piece() -> None:
    """A head without a length, a message a piece, an end; what it cost is reported once."""
    client = Client()
    ((seconds, size),), turns = answered(client)

    assert client.sent[0]["headers"] == HEADERS
    assert [message.get("more_body") for message in client.sent[1:]] == [True] * 9 + [False]
    assert turns >= 9
    assert seconds > 0
    assert size == len(client.body) == len(orjson.dumps(OLLAMA, option=orjson.OPT_SERIALIZE_NUMPY))


def test_http_1_0_gets_it_whole_with_its_length() -> None:
    """It has no chunks; others have their turn all the same."""
    client = Client()
    ((_, size),), turns = answered(client, "1.0")

    assert client.sent[0]["headers"] == [*HEADERS, (b"content-length", str(size).encode())]
    assert len(client.body) == size
    assert len(client.sent) == 2
    assert turns >= 9


def test_nothing_is_written_for_a_client_that_has_gone() -> None:
    """The rest of gigabytes stays unmade."""
    client = Client(stays=3)
    ((_, size),), _ = answered(client)

    assert len(client.sent) == 4
    assert size == len(client.body)
