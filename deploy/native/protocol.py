"""What goes over the supervisor's socket: one JSON line there, one back. Pure."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.state import PartState
from embedstack.readers import json_file

LONGEST = 4_000_000  # bytes of a line


@dataclass(frozen=True)
class Request:
    """Something to do.

    Attributes:
        specs: for `apply`, what is to run.
        names: for `restart`, which parts; for `apply`, which others are left as they are.
    """

    do: Literal["status", "apply", "restart", "shutdown"]
    specs: tuple[PartSpec, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """The parts after a request, and what it has changed, by name. `error`: why nothing was done."""

    pid: int
    parts: tuple[PartState, ...] = ()
    started: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    error: str = ""


def encode(message: Request | Reply) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def request(line: bytes) -> Request:
    """Damaged for a line that is none."""
    return json_file.decode(line, Request)


def reply(line: bytes) -> Reply:
    """Damaged for a line that is none."""
    return json_file.decode(line, Reply)
