"""llama.cpp's own HTTP server as the embedded engine, on a Unix socket that nothing else reaches."""

import secrets
from collections.abc import Sequence

import orjson

from embedstack.bridge.backends.base import Call, Embedded, EngineDied, EngineDown
from embedstack.bridge.backends.child import Child, Launch, Said
from embedstack.bridge.backends.http import EngineClient
from embedstack.bridge.backends.openai import OpenAIBackend
from embedstack.bridge.backends.own import RESTART_WAIT, START_TIMEOUT, VARIABLES, Loading, explained
from embedstack.bridge.backends.socket_folder import SocketFolder
from embedstack.bridge.errors import EngineNotReady, EngineTimeout
from embedstack.host import processes

_SECRET = 16  # bytes


class ServerEngine:
    """One text after another, each from its first token. A query waits for the text that is being computed."""

    interface = "server"
    preempts = False

    def __init__(self, loading: Loading) -> None:
        self._loading = loading
        self._child = Child(self._launch, start_timeout=START_TIMEOUT, understood=_check_address)
        self._folder: SocketFolder | None = None
        self._access: dict[str, str] = {}
        self._engine: OpenAIBackend | None = None
        self._url: str | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid

    async def start(self) -> None:
        await self._child.start()
        if self._folder and not self._folder.intact:
            self._child.kill()  # somebody has tidied up: the next one gets a new folder

    async def context(self) -> int | None:
        """Tokens of one text."""
        return (await (await self._serving()).facts()).context

    async def embed(self, texts: Sequence[str], *, as_float: bool, call: Call) -> Embedded:
        engine = await self._serving()
        end = self._child.end
        try:
            return await engine.embed(texts, as_float=as_float)
        except EngineDied as error:
            raise await explained(error, end) from error
        except EngineTimeout:
            # It is ours, and stuck: without an end it would hold its one slot, and every later request, for ever.
            self._child.kill()
            raise

    async def reset(self) -> None:
        """TimeoutError where it does not come back."""
        await self._child.restart()

    async def close(self) -> None:
        if self._engine:
            await self._engine.close()
        await self._child.stop()
        if self._folder:
            self._folder.remove()
            self._folder = None

    def _launch(self) -> Launch:
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
        loading = self._loading
        options = {
            "gguf": str(loading.gguf),
            "alias": loading.model,
            "context": loading.context,
            "threads": loading.threads,
        }
        command = processes.command("-m", "embedstack.bridge.backends.llama_child", orjson.dumps(options).decode())
        return Launch(command, orjson.dumps(self._access) + b"\n", variables=VARIABLES)

    async def _serving(self) -> OpenAIBackend:
        """The adapter for the child that serves now: a restarted one has another socket."""
        try:
            url = str((await self._child.wait_serving(RESTART_WAIT))["url"])
        except TimeoutError as error:
            raise EngineDown("The embedded engine is not running.", "Look at the bridge's log for why.") from error
        if self._engine is None or url != self._url:
            if self._engine:
                await self._engine.close()
            client = EngineClient(
                url,
                api_key=self._access["key"],
                prefix=self._access["prefix"],
                timeout=self._loading.timeout,
                connect_timeout=5,
            )
            self._engine = OpenAIBackend(
                client,
                self._loading.model,
                eos_id=self._loading.eos_id,
                tokenizer=self._loading.gguf,
                context=None,
                dimensions=self._loading.dimensions,
            )
            self._url = url
        return self._engine


def _check_address(said: Said) -> None:
    if not isinstance(said.get("url"), str):
        raise EngineNotReady(
            f"The embedded engine wrote {dict(said)} where its address belongs.", "Look at the bridge's log."
        )
