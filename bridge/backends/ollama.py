"""Ollama, asked on /api/embed with `truncate: false`: its /v1 drops that field and cuts without a word."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from embedstack.bridge.backends.base import (
    Call,
    Embedded,
    EngineBusy,
    EngineDied,
    EngineDown,
    EngineFacts,
    EngineKilled,
)
from embedstack.bridge.backends.checks import BrokenVectors
from embedstack.bridge.backends.http import Answer, EngineClient, most_of
from embedstack.bridge.backends.wire import to_matrix
from embedstack.bridge.errors import (
    BridgeError,
    EngineAnswerInvalid,
    EngineNotReady,
    EngineRefused,
    EngineTimeout,
    TooLong,
)
from embedstack.bridge.request import KeepAlive
from embedstack.host.ollama import PROBE, uncounted, uncounted_by

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # 4 MB that most bridges never need

# Ollama answers 400 for whatever its runner did (server/routes.go, EmbedHandler): the text alone tells whose fault.
# The runner was not up, so no text of ours was at it (llm/llama_server.go, getServerStatus and WaitUntilRunning).
_RUNNER_DOWN = (
    "llama-server process",
    "llama runner process",
    "timed out waiting for llama",
    "health resp",
    "connection refused",
    "server not responding",
    "unexpected server status",
)
_RUNNER_DIED = ("EOF", "connection reset", "broken pipe", "forcibly closed", "unexpectedly stopped")
# Go's words for SIGKILL and SIGTERM (os.ProcessState): the out-of-memory killer or a person.
_RUNNER_KILLED = ("signal: killed", "signal: terminated")
# The first is Ollama's own; before 0.14 Go's JSON writer said it.
_NOT_A_NUMBER = ("NaN or Inf", "unsupported value: NaN", "unsupported value: +Inf", "unsupported value: -Inf")
_TOO_LONG = (
    "exceeds the context length",
    "exceeds maximum context length",
    "exceed_context_size",
    "too large to process",
)


class OllamaBackend:
    """`model` is the engine's own name for the model, `dimensions` what its vectors should have."""

    offers_base64 = False
    preempts = False

    def __init__(self, client: EngineClient, model: str, dimensions: int | None = None) -> None:
        self.name = f"ollama {client.url}"
        self._client = client
        self._model = model
        self._dimensions = dimensions
        self._uncounted = 0  # tokens of each text

    async def start(self) -> None:
        """Ollama is never the bridge's own."""

    async def facts(self) -> EngineFacts:
        version = (await self._get("/api/version")).get("version", "")
        shown = await self._show(verbose=False)
        info = _object(shown, "model_info")
        architecture = info.get("general.architecture", "")
        await self.preload(None)
        await self._look_at_counts(str(version))
        listed = await self._listed("/api/tags")
        loaded = await self.loaded()
        return EngineFacts(
            kind="ollama",
            version=str(version),
            model=self._model,
            context=loaded.get("context_length") or info.get(f"{architecture}.context_length"),
            dimensions=info.get(f"{architecture}.embedding_length"),
            quantisation=_object(shown, "details").get("quantization_level"),
            digest=str(listed.get("digest", "")),
            size=int(listed.get("size") or 0),
            modified_at=str(listed.get("modified_at", "")),
            details=shown,
        )

    async def embed(
        self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False, call: Call | None = None
    ) -> Embedded:
        body: dict[str, Any] = {"model": self._model, "input": list(texts), "truncate": False}
        most = most_of(len(texts), self._dimensions)
        answer = self._read(await self._client.post("/api/embed", _with_keep_alive(body, keep_alive), most))
        return _embedded(answer, self._uncounted * len(texts))

    async def _look_at_counts(self, version: str) -> None:
        self._uncounted = 0
        by_version = uncounted(version)
        self._uncounted = uncounted_by((await self.embed([PROBE])).tokens) if by_version is None else by_version

    async def preload(self, keep_alive: KeepAlive) -> None:
        await self._post("/api/embed", _with_keep_alive({"model": self._model}, keep_alive))

    async def reset(self) -> None:
        await self._post("/api/embed", {"model": self._model, "keep_alive": 0})

    async def tokenizer(self) -> "Tokenizer":
        from embedstack.bridge.text.vocabulary import Vocabulary

        info = _object(await self._show(verbose=True), "model_info")
        try:
            vocabulary = Vocabulary(
                tokens=info["tokenizer.ggml.tokens"],
                merges=info["tokenizer.ggml.merges"],
                types=info["tokenizer.ggml.token_type"],
                pre=info["tokenizer.ggml.pre"],
            )
            return await asyncio.to_thread(vocabulary.tokenizer)
        except (KeyError, TypeError, ValueError) as error:
            raise EngineRefused(
                f"Ollama gives no vocabulary that could be counted with ({error}).",
                "Set engine.tokenizer to the model's GGUF or tokenizer.json, or split long texts.",
            ) from error

    async def identity(self) -> str:
        """The digest in /api/tags; "" where a proxy does not hand that page on, or the model is gone."""
        return str((await self._listed("/api/tags")).get("digest", ""))

    async def loaded(self) -> dict[str, Any]:
        return await self._listed("/api/ps")

    async def close(self) -> None:
        await self._client.close()

    async def _show(self, *, verbose: bool) -> dict[str, Any]:
        return await self._post("/api/show", {"model": self._model, "verbose": verbose})

    async def _listed(self, path: str) -> dict[str, Any]:
        models = (await self._get(path)).get("models")
        wanted = {self._model, f"{self._model}:latest"}
        entries = [entry for entry in models if isinstance(entry, dict)] if isinstance(models, list) else []
        return next((entry for entry in entries if entry.get("name") in wanted), {})

    async def _get(self, path: str) -> dict[str, Any]:
        return self._read(await self._client.get(path))

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._read(await self._client.post(path, body))

    def _read(self, answer: Answer) -> dict[str, Any]:
        if answer.status == 200:
            value: dict[str, Any] = answer.json()
            return value
        raise self._fault(answer)

    def _no_model(self) -> EngineNotReady:
        return EngineNotReady(
            f"Ollama at {self._client.url} has no model {self._model!r}.",
            f"Run `ollama pull {self._model}`, or set engine.model to the name it has there (`ollama ls`).",
        )

    def _fault(self, answer: Answer) -> BridgeError:
        said = answer.excerpt()
        log = "Look at Ollama's log (`ollama serve` prints it; journalctl -u ollama)."
        if answer.status == 404:
            return self._no_model()
        if answer.status == 503:
            return EngineBusy(f"Ollama is busy: {said}", "Try again.")
        if answer.status == 504:
            return EngineTimeout(f"A proxy before Ollama gave up waiting: {said}", "Raise its time-out.")
        if any(mark in said for mark in _TOO_LONG):
            return TooLong(f"Ollama finds a text too long: {said}", "Split it, or raise num_ctx of the model.")
        if any(mark in said for mark in _NOT_A_NUMBER):
            return BrokenVectors(f"Ollama made a vector that is not finite: {said}", log)
        if any(mark in said for mark in _RUNNER_DOWN):
            return EngineDown(f"Ollama's runner does not start: {said}", log)
        if any(mark in said for mark in _RUNNER_KILLED):
            return EngineKilled(f"Ollama's runner was killed from outside: {said}", f"No text is at fault. {log}")
        if any(mark in said for mark in _RUNNER_DIED):
            return EngineDied(f"Ollama's runner ended: {said}", log)
        return EngineRefused(f"Ollama answered {answer.status}: {said}", log)


def _embedded(answer: dict[str, Any], uncounted: int) -> Embedded:
    """`uncounted`: tokens that its count leaves out."""
    rows, tokens = answer.get("embeddings"), answer.get("prompt_eval_count", 0)
    if not isinstance(rows, list) or not isinstance(tokens, int):
        raise EngineAnswerInvalid(
            "Ollama's answer has no `embeddings`.", "Check that engine.url is Ollama's own address."
        )
    return Embedded(to_matrix(rows), tokens + uncounted)


def _object(answer: dict[str, Any], key: str) -> dict[str, Any]:
    value = answer.get(key)
    return value if isinstance(value, dict) else {}


def _with_keep_alive(body: dict[str, Any], keep_alive: KeepAlive) -> dict[str, Any]:
    return body if keep_alive is None else body | {"keep_alive": keep_alive}
