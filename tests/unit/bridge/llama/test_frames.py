"""Frames arrive whole, however the bytes come, and an end is an end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from embedstack.bridge.llama.frames import HEAD, MOST, TO_BRIDGE, Ask, BridgeSocket, Cancel, Computed, Gone, encode

ASK = Ask(1, ["年假" * 400_000], [""], urgent=True)
CANCEL = Cancel(1, [0])


@pytest.fixture
def pair() -> Iterator[tuple[BridgeSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield BridgeSocket(ours), theirs


def test_frames_come_whole_and_in_order(pair: tuple[BridgeSocket, socket.socket]) -> None:
    """In pieces that end anywhere, one larger than the socket holds."""
    connection, theirs = pair
    sent = encode(CANCEL) + encode(ASK) + encode(CANCEL)

    def send() -> None:
        for start in range(0, len(sent), 99_991):
            theirs.sendall(sent[start : start + 99_991])

    threading.Thread(target=send, daemon=True).start()
    assert [connection.receive(wait=True) for _ in range(3)] == [CANCEL, ASK, CANCEL]
    assert connection.receive(wait=False) is None


def test_two_frames_at_once_are_two(pair: tuple[BridgeSocket, socket.socket]) -> None:
    """The second needs no further byte."""
    connection, theirs = pair
    theirs.sendall(encode(CANCEL) * 2)
    assert connection.receive(wait=False) == CANCEL
    assert connection.receive(wait=False) == CANCEL
    assert connection.receive(wait=False) is None


@pytest.mark.parametrize("last", [b"", encode(CANCEL)[:-1], HEAD.pack(MOST + 1), HEAD.pack(1) + b"\xff"])
def test_an_end_is_an_end(pair: tuple[BridgeSocket, socket.socket], last: bytes) -> None:
    """In the middle of a frame too, and one that is too large or none at all."""
    connection, theirs = pair
    theirs.sendall(last)
    theirs.close()
    with pytest.raises(Gone):
        connection.receive(wait=True)
    with pytest.raises(Gone):
        connection.send(Computed(1, b"\0" * 4_000_000, [1]))


def test_answers_of_two_threads_are_not_mixed(pair: tuple[BridgeSocket, socket.socket]) -> None:
    """Each larger than the socket holds."""
    connection, theirs = pair
    answers = [Computed(call, bytes([call]) * 1_000_000, [call]) for call in range(4)]
    for answer in answers:
        threading.Thread(target=connection.send, args=(answer,), daemon=True).start()
    stream = theirs.makefile("rb")
    got = [TO_BRIDGE.decode(stream.read(HEAD.unpack(stream.read(HEAD.size))[0])) for _ in answers]
    assert sorted((one.call, one.vectors) for one in got) == [(one.call, one.vectors) for one in answers]
