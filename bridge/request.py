"""Requests and results: every door makes an EmbedRequest and turns an EmbedResult into its own wire shape.

Also whether the client of a request is still connected.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from embedstack.bridge.errors import ClientGone
from embedstack.bridge.settings.security import ApiKey
from embedstack.vectors.mrl import Vectors

# If a text is too long, "truncate" keeps its beginning and "truncate_start" its end.
OnTooLong = Literal["error", "truncate", "truncate_start"]
KeepAlive = str | int | float | None
Lane = Literal["interactive", "bulk"]


@dataclass(frozen=True, slots=True)
class Row:
    """One text's full unit vector (d,) float32, read-only, and its number of tokens, EOS included."""

    vector: Vectors
    tokens: int


@dataclass(frozen=True, slots=True)
class PromptHints:
    """What a request says about its role. Values are as sent; `prompts` resolves synonyms."""

    fields: tuple[tuple[str, str], ...] = ()
    instruction: str | None = None
    header: str | None = None


NO_HINTS = PromptHints()


@dataclass(frozen=True, slots=True)
class Caller:
    """The client of a request. `flow`: the key's name or the address, and the user; flows take turns. `lane` None: the
    role decides. `timeout`: seconds after which the client no longer needs the answer. `webui`: it looks like Open
    WebUI. `key`: the key that it sent.
    """

    flow: tuple[str, ...] = ("",)
    lane: Lane | None = None
    timeout: float | None = None
    webui: bool = False
    key: ApiKey | None = field(default=None, repr=False)


ANYONE = Caller()


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts to embed, in order. `dimensions` None: the model's default. `on_too_long` None: the configured policy.
    `index`: the fingerprint of the index that the vectors are for, if the client names one.
    """

    model: str
    texts: tuple[str, ...]
    hints: PromptHints = NO_HINTS
    dimensions: int | None = None
    on_too_long: OnTooLong | None = None
    keep_alive: KeepAlive = None
    caller: Caller = ANYONE
    index: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """How many texts of a request were in the cache, how many were already being computed (for another request, or for
    the same text earlier in this one), and how many were sent to an engine."""

    hit: int = 0
    joined: int = 0
    miss: int = 0


@dataclass(frozen=True, slots=True)
class Stages:
    """Seconds for the cache lookup, for waiting for an engine, and from the first text sent to the last vector."""

    cache: float = 0.0
    queue: float = 0.0
    engine: float = 0.0


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a request was understood. `source`: where the role came from, such as `body input_type` or `default`."""

    role: str
    task: str
    source: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """Unit vectors (k,) float32, one per text, in the same order. `tokens` counts the whole request, EOS included."""

    vectors: Sequence[Vectors]
    tokens: int
    lane: Lane
    fingerprint: str
    found: Found
    stages: Stages
    meaning: Meaning
    truncated: tuple[int, ...] = field(default=())
    corrected: tuple[int, ...] = field(default=())


T = TypeVar("T")


class Departure:
    """The HTTP protocol keeps this in the ASGI scope, under `departure`. `on_gone` is called once, if the connection is
    lost before the answer is complete. `has_sent`: the whole request has arrived. `comes_soon`: the missing rest of the
    body is small and already on its way, so an early answer need not close the connection.
    """

    __slots__ = ("comes_soon", "gone", "has_sent", "on_gone")

    def __init__(self) -> None:
        self.gone = False
        self.has_sent = False
        self.comes_soon = False
        self.on_gone: Callable[[], object] | None = None

    def happen(self) -> None:
        if not self.gone:
            self.gone = True
            if self.on_gone is not None:
                self.on_gone()


async def unless_gone(waiting: Coroutine[Any, Any, T], departure: Departure | None) -> T:
    """The coroutine's result. If the client leaves first, the coroutine is cancelled and ClientGone raised."""
    task = asyncio.create_task(waiting)
    if departure is not None:
        departure.on_gone = task.cancel
        if departure.gone:
            task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        if departure is not None and departure.gone:
            raise ClientGone("The client went away.") from None
        raise
    finally:
        if departure is not None:
            departure.on_gone = None
