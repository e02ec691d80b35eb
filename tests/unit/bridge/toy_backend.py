"""An engine that exists only in memory; tests give it the few methods they need, and the others must not be called."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tokenizers import Tokenizer

from embedstack.bridge.backends.base import Call, Embedded, EngineFacts
from embedstack.bridge.request import KeepAlive


def _not_expected(method: str) -> NoReturn:
    raise AssertionError(f"{method} was called")


class ToyBackend:
    """A `Backend` of which every method is a surprise."""

    name: str = "toy"
    offers_base64: bool = False
    preempts: bool = False

    async def start(self) -> None:
        _not_expected("start")

    async def facts(self) -> EngineFacts:
        _not_expected("facts")

    async def embed(
        self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False, call: Call | None = None
    ) -> Embedded:
        _not_expected(f"embed({texts!r}, {keep_alive=}, {as_float=}, {call=})")

    async def preload(self, keep_alive: KeepAlive) -> None:
        _not_expected(f"preload({keep_alive!r})")

    async def reset(self) -> None:
        _not_expected("reset")

    async def loaded(self) -> Mapping[str, Any] | None:
        _not_expected("loaded")

    async def identity(self) -> str:
        _not_expected("identity")

    async def tokenizer(self) -> Tokenizer:
        _not_expected("tokenizer")

    async def close(self) -> None:
        _not_expected("close")
