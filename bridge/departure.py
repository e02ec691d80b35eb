"""Whether the client of a request is still there."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from embedstack.bridge.errors import ClientGone

T = TypeVar("T")


class Departure:
    """Kept by the HTTP protocol in the ASGI scope, under `departure`. `on_gone` is called once, when the connection is
    lost before the answer is complete. `has_sent`: the whole request is here. `comes_soon`: what is missing of its body
    is so little, and so surely on its way, that the connection can be kept by whoever answers before it is here.
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
