"""Whether the client of a request is still there."""

from collections.abc import Callable


class Departure:
    """Kept by the HTTP protocol in the ASGI scope, under `departure`. `on_gone` is called once, when the connection is
    lost before the answer is complete. `has_sent`: the whole request is here.
    """

    __slots__ = ("gone", "has_sent", "on_gone")

    def __init__(self) -> None:
        self.gone = False
        self.has_sent = False
        self.on_gone: Callable[[], None] | None = None

    def happen(self) -> None:
        if not self.gone:
            self.gone = True
            if self.on_gone is not None:
                self.on_gone()
