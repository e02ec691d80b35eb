"""llama.cpp by its C API as the embedded engine (`embedstack.bridge.llama`), over a socket pair that it inherits."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence

import msgspec
import numpy as np

from embedstack.bridge.backends.base import Call, Embedded, EngineDied, EngineDown
from embedstack.bridge.backends.child import Child, Launch, Said
from embedstack.bridge.backends.own import RESTART_WAIT, START_TIMEOUT, VARIABLES, Loading, explained
from embedstack.bridge.errors import EngineNotReady, EngineTimeout, TooLong
from embedstack.bridge.llama.frames import HEAD, MOST, TO_BRIDGE, Ask, Cancel, Computed, Serving, encode
from embedstack.host import processes


class UnfitModel(EngineNotReady):
    """This library or this model cannot be used by the C API; its HTTP server may still serve it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"llama.cpp's C API is not used: {reason}.", "Set engine.interface to `server`.")
        self.reason = reason


class ApiEngine:
    """Questions before documents: they interrupt them. Calls may be in flight side by side."""

    interface = "api"
    preempts = True

    def __init__(self, loading: Loading) -> None:
        self._loading = loading
        self._child = Child(self._launch, start_timeout=START_TIMEOUT, understood=self._understand)
        self._ours: socket.socket | None = None
        self._line: _Line | None = None
        self._serving: Serving | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid

    async def start(self) -> None:
        """UnfitModel where the C API cannot serve this model."""
        await self._child.start()

    async def context(self) -> int | None:
        """Tokens of one text."""
        await self._connected()
        return self._serving.context if self._serving else None

    async def embed(self, texts: Sequence[str], *, as_float: bool, call: Call) -> Embedded:
        """Vectors have one form here: `as_float` changes nothing."""
        line, end = await self._connected(), self._child.end
        try:
            async with asyncio.timeout(self._loading.timeout):
                answer = await line.ask(texts, call)
        except EngineDied as error:
            raise await explained(error, end) from error
        except TimeoutError as error:
            self._child.kill()  # it is ours, and stuck
            raise EngineTimeout(
                f"The embedded engine did not answer in {self._loading.timeout:g} s.",
                "Look at the machine's load, or raise engine.timeout.",
            ) from error
        return self._embedded(answer, len(texts))

    async def reset(self) -> None:
        """TimeoutError where it does not come back."""
        await self._child.restart()

    async def close(self) -> None:
        await self._child.stop()
        if self._line:
            self._line.close()
        if self._ours:
            self._ours.close()

    def _launch(self) -> Launch:
        if self._line:
            self._line.close()
            self._line = None
        if self._ours:
            self._ours.close()
        self._ours, its = socket.socketpair()
        loading = self._loading
        options = {"gguf": str(loading.gguf), "context": loading.context, "threads": loading.threads}
        text = msgspec.json.encode({**options, "gpu_layers": loading.gpu_layers}).decode()
        descriptor = its.detach()
        command = processes.command("-m", "embedstack.bridge.llama", text, str(descriptor))
        return Launch(command, descriptors=(descriptor,), variables=VARIABLES)

    def _understand(self, said: Said) -> None:
        if isinstance(reason := said.get("unfit"), str):
            raise UnfitModel(reason)
        try:
            self._serving = msgspec.convert(said, Serving)
        except msgspec.ValidationError as error:
            raise EngineNotReady(f"The embedded engine describes itself wrongly: {error}.", "Install again.") from error

    async def _connected(self) -> "_Line":
        try:
            await self._child.wait_serving(RESTART_WAIT)
        except TimeoutError as error:
            raise EngineDown("The embedded engine is not running.", "Look at the bridge's log for why.") from error
        if self._line is None and self._ours is not None:
            ours, self._ours = self._ours, None
            self._line = _Line(ours)
            await self._line.open()
        if self._line is None:
            raise EngineDown("The embedded engine is not running.", "Look at the bridge's log for why.")
        return self._line

    def _embedded(self, answer: Computed, count: int) -> Embedded:
        for index, reason in answer.failed:
            which = "a text" if count == 1 else f"text {index}"
            raise TooLong(f"The engine finds {which} too long: {reason}.", "Split it, or raise engine.context.")
        dimensions = self._serving.dimensions if self._serving else 0
        vectors = np.frombuffer(answer.vectors, np.float32).reshape(count, dimensions)
        return Embedded(vectors, sum(answer.tokens), answer.tokens, frozenset(answer.cancelled))


class _Line:
    """The bridge's end of the socket pair. Answers come in the order in which the engine has them."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self._waiting: dict[int, asyncio.Future[Computed]] = {}
        self._calls = 0
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        reader, self._writer = await asyncio.open_connection(sock=self._socket)
        self._listening = asyncio.create_task(self._listen(reader), name="embedded engine's answers")

    async def ask(self, texts: Sequence[str], call: Call) -> Computed:
        """EngineDied where the connection breaks."""
        self._calls += 1
        number = self._calls
        answered: asyncio.Future[Computed] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        call.on_cancel = lambda index: self._cancel(number, [index])
        try:
            prompts = call.prompts or [""] * len(texts)
            self._send(Ask(number, texts, prompts, call.urgent))
            return await answered
        except asyncio.CancelledError:
            self._cancel(number, range(len(texts)))
            raise
        finally:
            call.on_cancel = None
            self._waiting.pop(number, None)

    def close(self) -> None:
        if self._listening:
            self._listening.cancel()
        if self._writer:
            self._writer.close()
        self._break()

    def _cancel(self, number: int, indexes: Sequence[int]) -> None:
        with contextlib.suppress(EngineDied):  # then nothing is computed any more
            self._send(Cancel(number, list(indexes)))

    def _send(self, document: Ask | Cancel) -> None:
        if self._writer is None or self._writer.is_closing():
            raise _died()
        self._writer.write(encode(document))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                size = HEAD.unpack(await reader.readexactly(HEAD.size))[0]
                if size > MOST:
                    break
                answer = TO_BRIDGE.decode(await reader.readexactly(size))
                waiting = self._waiting.get(answer.call)
                if waiting and not waiting.done():
                    waiting.set_result(answer)
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError):
            pass
        self._break()

    def _break(self) -> None:
        """Nothing more comes."""
        if self._writer:
            self._writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_died())


def _died() -> EngineDied:
    return EngineDied("The embedded engine ended in the middle of a request.", "Look at the bridge's log.")
