"""One try at the bridge, and what came back."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

Chance = random.Random


@dataclass(frozen=True)
class Sent:
    """One request: `whole` where nothing was changed in it, so that only a 200 is right."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    whole: bool = False

    def frame(self) -> bytes:
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"{self.method} {self.path} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace") + self.body


@dataclass(frozen=True)
class Try:
    """Bytes for one connection.

    Attributes:
        pieces: written one after the other.
        sent: the requests that are in them, in their order; the answers come in the same order.
        whole: whether each of `sent` must be answered; else some may never be.
    """

    pieces: tuple[bytes, ...]
    sent: tuple[Sent, ...]
    whole: bool = False


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Came:
    """Every answer of a connection. `late`: none, or not all, within the bound; `rest`: bytes that are no answer."""

    answers: tuple[Answer, ...] = ()
    late: bool = False
    rest: bytes = b""
    refused: str = field(default="")


def chance(seed: int, kind: str, number: int) -> Chance:
    """The same for the same three, in every process and Python."""
    return random.Random(f"{seed} {kind} {number}")  # noqa: S311 -- it is to be repeated, not to be secret
