"""llama.cpp inside the bridge's own care: a child process that nothing else reaches, and the model in a GGUF file."""

import asyncio
import logging
import os
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING

from embedstack.bridge.backends.base import Call, Embedded, EngineDown, EngineFacts
from embedstack.bridge.backends.llama_api import ApiEngine, UnfitModel
from embedstack.bridge.backends.llama_server import ServerEngine
from embedstack.bridge.backends.own import Loading
from embedstack.bridge.errors import EngineNotReady, EngineRefused
from embedstack.bridge.request import KeepAlive
from embedstack.bridge.settings.engines import Interface

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # 4 MB that most bridges never need

log = logging.getLogger(__name__)


class EmbeddedBackend:
    """By llama.cpp's C API, or by its HTTP server: with `auto` where the C API cannot serve this library or model."""

    offers_base64 = True

    def __init__(self, loading: Loading, interface: Interface = "auto") -> None:
        self.name = f"embedded {loading.gguf.name}"
        self._loading = loading
        self._gguf = loading.gguf
        self._may_change = interface == "auto" and os.name == "posix"
        by_api = interface == "api" or self._may_change
        self._engine: ApiEngine | ServerEngine = ApiEngine(loading) if by_api else ServerEngine(loading)

    @property
    def pid(self) -> int | None:
        return self._engine.pid

    @property
    def preempts(self) -> bool:
        """Whether a question may be sent while it computes documents: it is answered first."""
        return self._engine.preempts

    async def start(self) -> None:
        if not self._gguf.is_file():
            raise EngineNotReady(f"There is no file {self._gguf}.", "Correct engine.gguf.")
        try:
            await self._engine.start()
        except UnfitModel as error:
            if not self._may_change:
                raise
            log.warning("%s The model runs on llama.cpp's server instead: questions wait for documents.", error.message)
            await self._engine.close()
            self._engine = ServerEngine(self._loading)
            await self._engine.start()

    async def facts(self) -> EngineFacts:
        from embedstack.bridge.text import vocabulary

        context = await self._engine.context()
        try:
            size = self._gguf.stat().st_size
            quantisation = await asyncio.to_thread(vocabulary.quantisation_of, self._gguf)
            # llama.cpp loads a vocabulary that contradicts itself; a text that has to be counted would find out.
            await asyncio.to_thread(lambda: vocabulary.from_gguf(self._gguf).check())
        except (OSError, ValueError) as error:
            raise EngineRefused(f"{self._gguf} cannot be used: {error}.", "Fetch the model again.") from error
        return EngineFacts(
            kind="embedded",
            # llama.cpp calls itself b0-unknown there; only the package has a version.
            version=f"xllamacpp {metadata.version('xllamacpp')}",
            model=self._loading.model,
            context=context,
            dimensions=self._loading.dimensions,
            quantisation=quantisation,
            size=size,
            details={"interface": self._engine.interface},
        )

    async def embed(
        self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False, call: Call | None = None
    ) -> Embedded:
        return await self._engine.embed(texts, as_float=as_float, call=call or Call())

    async def preload(self, keep_alive: KeepAlive) -> None:
        """The child has its model loaded for as long as it runs."""

    async def reset(self) -> None:
        try:
            await self._engine.reset()
        except TimeoutError as error:
            raise EngineDown("The embedded engine did not come back.", "Look at the bridge's log.") from error

    async def loaded(self) -> None:
        """Such an engine never unloads its model."""

    async def identity(self) -> str:
        """The file: a restarted child reads it again, whatever was put in its place."""
        try:
            stat = self._gguf.stat()
        except OSError as error:
            raise EngineNotReady(f"{self._gguf} is gone ({error.strerror}).", "Put it back.") from error
        return f"{self._gguf} {stat.st_size} {stat.st_mtime_ns}"

    async def tokenizer(self) -> "Tokenizer":
        from embedstack.bridge.text import vocabulary

        try:
            return await asyncio.to_thread(vocabulary.load, self._gguf)
        except (OSError, ValueError) as error:
            raise EngineRefused(f"{self._gguf} gives no vocabulary: {error}.", "Fetch the model again.") from error

    async def close(self) -> None:
        await self._engine.close()
