"""What the bridge and the engine process say to each other: a length and a MessagePack document each time.

Vectors travel as float32 in the machine's byte order, as they lie in memory: both ends are on one machine.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Sequence

import msgspec

HEAD = struct.Struct("=I")
"""Before each document: its size in bytes."""
MOST = 1 << 30
"""Bytes of a document; more than one request of the largest allowed size takes."""


class Ask(msgspec.Struct, frozen=True, tag="ask", array_like=True):
    """Vectors of final texts, please. `prompts`: what each text begins with that others may begin with too, "" where
    nothing is known. `urgent`: somebody waits for an answer to a question, and documents let it pass.
    """

    call: int
    texts: Sequence[str]
    prompts: Sequence[str]
    urgent: bool


class Cancel(msgspec.Struct, frozen=True, tag="cancel", array_like=True):
    """Nobody waits for these texts of a call any more."""

    call: int
    indexes: Sequence[int]


class Computed(msgspec.Struct, frozen=True, tag="computed", array_like=True):
    """`vectors`: rows (n, d) float32, of length 1; `tokens`: of each text, EOS included. `failed`: texts that have no
    vector, and why; `cancelled`: texts that nobody waits for. The rows of both are zero.
    """

    call: int
    vectors: bytes
    tokens: Sequence[int]
    failed: Sequence[tuple[int, str]] = ()
    cancelled: Sequence[int] = ()


class Serving(msgspec.Struct, frozen=True):
    """The first line that the engine process prints once it serves. Sizes in tokens."""

    context: int
    dimensions: int
    gpu: bool
    slice: int


class Unusable(msgspec.Struct, frozen=True):
    """The same where it cannot: the reason."""

    unfit: str


TO_ENGINE: msgspec.msgpack.Decoder[Ask | Cancel] = msgspec.msgpack.Decoder(Ask | Cancel)
TO_BRIDGE: msgspec.msgpack.Decoder[Computed] = msgspec.msgpack.Decoder(Computed)
_BLOCK = 256 * 1024  # bytes
_ENCODER = msgspec.msgpack.Encoder()


def encode(document: Ask | Cancel | Computed) -> bytes:
    """The document with its size before it."""
    body = _ENCODER.encode(document)
    return HEAD.pack(len(body)) + body


class Gone(Exception):
    """The bridge has closed its end, or has written something other than a frame."""


class BridgeSocket:
    """The engine's end of the socket pair. One thread receives; any thread sends."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self._received = bytearray()
        self._poll = select.poll()
        self._poll.register(ours, select.POLLIN)
        self._sending = threading.Lock()

    def receive(self, *, wait: bool) -> Ask | Cancel | None:
        """The next frame; None where none has come and `wait` is False. Gone."""
        try:
            while (body := self._body()) is None:
                # What has begun to come is waited for: the bridge writes a frame at once.
                if not (wait or self._received or self._poll.poll(0)):
                    return None
                block = self._socket.recv(_BLOCK)
                if not block:
                    raise Gone
                self._received += block
            return TO_ENGINE.decode(body)
        except (OSError, msgspec.DecodeError) as error:
            # A bridge that was killed with answers unread resets the connection instead of ending it.
            raise Gone from error

    def send(self, answer: Computed) -> None:
        """Gone."""
        frame = encode(answer)
        try:
            with self._sending:
                self._socket.sendall(frame)
        except OSError as error:
            raise Gone from error

    def _body(self) -> bytes | None:
        """The first frame's document, None where it has not come whole."""
        if len(self._received) < HEAD.size:
            return None
        size = HEAD.unpack_from(self._received)[0]
        if size > MOST:
            raise Gone
        end = HEAD.size + size
        if len(self._received) < end:
            return None
        body = bytes(self._received[HEAD.size : end])
        del self._received[:end]
        return body
