"""llama.cpp inside the bridge's own care: a child process that nothing else reaches, and the model in a GGUF file."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from embedstack.bridge.backends.base import Embedded, EngineDied, EngineDown, EngineFacts, EngineKilled
from embedstack.bridge.backends.child import Child, Ending
from embedstack.bridge.backends.http import EngineClient
from embedstack.bridge.backends.openai import OpenAIBackend
from embedstack.bridge.backends.socket_folder import SocketFolder
from embedstack.bridge.errors import EngineNotReady, EngineRefused, EngineTimeout
from embedstack.bridge.request import KeepAlive
from embedstack.host import processes

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # 4 MB that most bridges never need

# Loading 8 GB from a slow disk; a restart for a request in flight is waited for far shorter.
START_TIMEOUT, RESTART_WAIT = 300.0, 10.0
_SECRET = 16  # bytes
EXIT_WAIT = 2.0  # seconds between a connection that breaks and the exit status of the process behind it
_KILLED = (
    "No text is at fault. Look for `Out of memory` in the kernel's log (`journalctl -k`); a smaller engine.context or "
    "another quantisation needs less."
)


class EmbeddedBackend:
    """`context` in tokens, `threads` of the CPU (None: llama.cpp chooses), `timeout` of one engine call in seconds."""

    offers_base64 = True

    def __init__(
        self,
        gguf: Path,
        *,
        model: str,
        eos_id: int | None,
        context: int,
        threads: int | None,
        timeout: float,
        dimensions: int | None = None,
    ) -> None:
        self.name = f"embedded {gguf.name}"
        self._gguf = gguf
        self._model = model
        self._eos_id = eos_id
        self._dimensions = dimensions
        self._timeout = timeout
        options = {"gguf": str(gguf), "alias": model, "context": context, "threads": threads}
        command = processes.command("-m", "embedstack.bridge.backends.llama_child", orjson.dumps(options).decode())
        self._child = Child(command, start_timeout=START_TIMEOUT, beginning=self._new_access)
        self._folder: SocketFolder | None = None
        self._access: dict[str, str] = {}
        self._engine: OpenAIBackend | None = None
        self._url: str | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid

    async def start(self) -> None:
        if not self._gguf.is_file():
            raise EngineNotReady(f"There is no file {self._gguf}.", "Correct engine.gguf.")
        await self._child.start()
        if self._folder and not self._folder.intact:
            self._child.kill()  # somebody has tidied up: the next one gets a new folder

    async def facts(self) -> EngineFacts:
        from embedstack.bridge.text import vocabulary

        facts = await (await self._serving()).facts()
        try:
            size = self._gguf.stat().st_size
            quantisation = await asyncio.to_thread(vocabulary.quantisation_of, self._gguf)
            # llama.cpp loads a vocabulary that contradicts itself; a text that has to be counted would find out.
            await asyncio.to_thread(lambda: vocabulary.from_gguf(self._gguf).check())
        except (OSError, ValueError) as error:
            raise EngineRefused(f"{self._gguf} cannot be used: {error}.", "Fetch the model again.") from error
        # llama.cpp calls itself b0-unknown there; only the package has a version.
        version = f"xllamacpp {metadata.version('xllamacpp')}"
        return replace(facts, kind="embedded", version=version, model=self._model, size=size, quantisation=quantisation)

    async def embed(self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False) -> Embedded:
        engine = await self._serving()
        end = self._child.end
        try:
            return await engine.embed(texts, as_float=as_float)
        except EngineDied as error:
            raise await _explained(error, end) from error
        except EngineTimeout:
            # It is ours, and stuck: without an end it would hold its one slot, and every later request, for ever.
            self._child.kill()
            raise

    async def preload(self, keep_alive: KeepAlive) -> None:
        """The child has its model loaded for as long as it runs."""

    async def reset(self) -> None:
        try:
            await self._child.restart()
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
        if self._engine:
            await self._engine.close()
        await self._child.stop()
        if self._folder:
            self._folder.remove()
            self._folder = None

    def _new_access(self) -> bytes:
        """Where the next child listens, and what it asks of its callers: `llama_child.Access` as a line of JSON."""
        if self._folder and not self._folder.intact:
            self._folder.remove()
            self._folder = None
        if self._folder is None:
            try:
                self._folder = SocketFolder.make()
            except OSError as error:
                raise EngineNotReady(
                    f"The embedded engine has nowhere to listen: {error}.",
                    "Set TMPDIR to a folder of your own with a short path.",
                ) from error
        key, prefix = secrets.token_hex(_SECRET), f"/{secrets.token_hex(_SECRET)}"
        self._access = {"socket": str(self._folder.next_socket()), "key": key, "prefix": prefix}
        return orjson.dumps(self._access) + b"\n"

    async def _serving(self) -> OpenAIBackend:
        """The adapter for the child that serves now: a restarted one has another socket."""
        try:
            url = await self._child.wait_serving(RESTART_WAIT)
        except TimeoutError as error:
            raise EngineDown("The embedded engine is not running.", "Look at the bridge's log for why.") from error
        if self._engine is None or url != self._url:
            if self._engine:
                await self._engine.close()
            client = EngineClient(
                url,
                api_key=self._access["key"],
                prefix=self._access["prefix"],
                timeout=self._timeout,
                connect_timeout=5,
            )
            self._engine = OpenAIBackend(
                client,
                self._model,
                eos_id=self._eos_id,
                tokenizer=self._gguf,
                context=None,
                dimensions=self._dimensions,
            )
            self._url = url
        return self._engine


async def _explained(error: EngineDied, end: asyncio.Future[Ending]) -> EngineDied:
    """A child's exit status tells what a broken connection cannot; the error as it is where none comes."""
    try:
        ending = await asyncio.wait_for(asyncio.shield(end), EXIT_WAIT)
    except TimeoutError:
        return error
    if ending.may_be_text:
        return EngineDied(f"The embedded engine ended in the middle of a request, by {ending}.", error.advice)
    return EngineKilled(f"The embedded engine was ended in the middle of a request by {ending}.", _KILLED)
