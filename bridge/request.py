"""What travels down the road: every door makes an EmbedRequest, and turns an EmbedResult into its own wire shape; and
whether the client of a request is still there.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from embedstack.bridge.errors import ClientGone
from embedstack.bridge.settings.security import ApiKey
from embedstack.vectors.mrl import Vectors

# Of a text that is too long "truncate" keeps the beginning, "truncate_start" the end.
OnTooLong = Literal["error", "truncate", "truncate_start"]
KeepAlive = str | int | float | None
Lane = Literal["interactive", "bulk"]


@dataclass(frozen=True, slots=True)
class Row:
    """One text's full unit vector (d,) float32, read-only, and its tokens, EOS included."""

    vector: Vectors
    tokens: int


@dataclass(frozen=True, slots=True)
class PromptHints:
    """What a request itself says of its role. Values are as sent: synonyms are resolved in `prompts`."""

    fields: tuple[tuple[str, str], ...] = ()
    instruction: str | None = None
    header: str | None = None


NO_HINTS = PromptHints()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `flow`: the key's name or the address, and the user behind it; clients take turns by it. `lane` None:
    by the role. `timeout`: seconds after which the client has no use for the answer. `webui`: it looks like Open WebUI.
    `key`: the one that it has sent.
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
    `index`: the fingerprint of the index that the client says its vectors are for.
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
    """Of a request's texts: how many were in the cache, how many were on their way for somebody else (or stood twice in
    the request), and how many were sent to an engine for it."""

    hit: int = 0
    joined: int = 0
    miss: int = 0


@dataclass(frozen=True, slots=True)
class Stages:
    """Seconds: looking in the cache, waiting for an engine, and from the first text at an engine to the last vector."""

    cache: float = 0.0
    queue: float = 0.0
    engine: float = 0.0


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a request was understood to ask for. `source`: what said the role, as `body input_type` or `default`."""

    role: str
    task: str
    source: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """Unit vectors (k,) float32, one a text and in their order; `tokens` counts the whole request, EOS included."""

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
    """Kept by the HTTP protocol in the ASGI scope, under `departure`. `on_gone` is called once, when the connection is
    lost before the answer is complete. `has_sent`: the whole request is here. `comes_soon`: what is missing of its body
    is so little, and so surely on its way, that the connection can be kept by anyone who answers before it is here.
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
    """What is waited for. ClientGone, and an end to the waiting, once the client has left."""
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
