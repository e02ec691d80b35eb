"""vLLM, llama-server and whatever else speaks OpenAI's /v1/embeddings; asked for base64, a tenth as dear to read."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedstack.bridge.backends.base import Call, Embedded, EngineBusy, EngineDied, EngineFacts
from embedstack.bridge.backends.http import Answer, EngineClient, most_of
from embedstack.bridge.backends.wire import from_openai, plain_base64
from embedstack.bridge.errors import (
    BridgeError,
    EngineAnswerInvalid,
    EngineNotReady,
    EngineRefused,
    EngineTimeout,
    TooLong,
)
from embedstack.bridge.request import KeepAlive

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # 4 MB that most bridges never need

_TOO_LONG = (
    "exceed_context_size",
    "too large to process",
    "maximum context length",
    "longer than the maximum model length",
)


# Of llama-server's words on its model, those that hold as long as it is the same.
_STABLE = ("n_params", "size", "n_embd", "n_vocab", "n_ctx_train", "vocab_type")


class NoEndTokenError(EngineRefused):
    """An empty text is the end token alone, and nobody says which that is."""

    about_text = True

    def __init__(self) -> None:
        super().__init__(
            "An empty text is the model's end token alone, and the catalogue does not say which that is.",
            "Send no empty text, or add `tokenizer.ggml.eos_token_id` to header.required of the model's entry.",
        )


class OpenAIBackend:
    """`model` is the name to send; None: the first that /v1/models lists. `eos_id` stands in for an empty text;
    None: not known, and such a text is refused. `dimensions`: what its vectors should have.
    """

    offers_base64 = True
    preempts = False

    def __init__(
        self,
        client: EngineClient,
        model: str | None,
        *,
        eos_id: int | None,
        tokenizer: Path | None,
        context: int | None,
        dimensions: int | None = None,
    ) -> None:
        self.name = f"openai {client.url}"
        self._client = client
        self._model = model
        self._eos_id = eos_id
        self._tokenizer = tokenizer
        self._context = context
        self._dimensions = dimensions

    async def start(self) -> None:
        """An engine at a URL is never the bridge's own."""

    async def facts(self) -> EngineFacts:
        listed = await self._models()
        entry = next((m for m in listed if m.get("id") == self._model or self._model is None), None)
        if entry is None:
            known = ", ".join(str(m.get("id")) for m in listed) or "none"
            raise EngineNotReady(
                f"The engine at {self._client.url} serves no model {self._model!r} but {known}.",
                "Set engine.model to the name it serves.",
            )
        self._model = str(entry["id"])
        properties = await self._optional("/props")
        is_llama = "default_generation_settings" in properties
        version = properties.get("build_info") if is_llama else (await self._optional("/version")).get("version")
        slot = properties.get("default_generation_settings") or {}
        return EngineFacts(
            kind="llama-server" if is_llama else str(entry.get("owned_by") or "openai"),
            version=str(version or ""),
            model=self._model,
            context=self._context or slot.get("n_ctx") or entry.get("max_model_len"),
            dimensions=(entry.get("meta") or {}).get("n_embd"),
            size=int((entry.get("meta") or {}).get("size") or 0),
        )

    async def embed(
        self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False, call: Call | None = None
    ) -> Embedded:
        if all(texts):
            return await self._embed(list(texts), as_float=as_float)
        return await self._embed_with_empty(texts, as_float=as_float)

    async def _embed(self, inputs: list[Any], *, as_float: bool) -> Embedded:
        encoding = "float" if as_float else "base64"
        body = {"model": self._model, "input": inputs, "encoding_format": encoding}
        answered = await self._client.post("/v1/embeddings", body, most_of(len(inputs), self._dimensions))
        if answered.status == 200 and (plain := plain_base64(answered.body, len(inputs))):
            return Embedded(*plain)
        answer = self._checked(answered)
        usage = answer.get("usage")
        tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        if not isinstance(tokens, int):
            raise EngineAnswerInvalid("The engine's answer counts no tokens.", "Check that it is an embedding engine.")
        return Embedded(from_openai(answer.get("data"), len(inputs)), tokens)

    async def _embed_with_empty(self, texts: Sequence[str], *, as_float: bool) -> Embedded:
        """llama-server refuses "" but takes token ids: an empty text is EOS alone, as Ollama embeds it."""
        if self._eos_id is None:
            raise NoEndTokenError
        empty = await self._embed([[self._eos_id]], as_float=as_float)
        filled = [text for text in texts if text]
        some = await self._embed(list(filled), as_float=as_float) if filled else empty
        rows = iter(some.vectors)
        vectors = np.stack([next(rows) if text else empty.vectors[0] for text in texts])
        blanks = len(texts) - len(filled)
        return Embedded(vectors, (some.tokens if filled else 0) + blanks * empty.tokens)

    async def preload(self, keep_alive: KeepAlive) -> None:
        """Such an engine has its one model loaded for as long as it runs."""

    async def reset(self) -> None:
        """Nothing in OpenAI's API unloads a model; the retry that follows goes to the engine as it is."""

    async def loaded(self) -> None:
        """Such an engine never unloads its model."""

    async def identity(self) -> str:
        """What /v1/models says and means: `created` is the time of the question at some servers."""
        entry = next((m for m in await self._models() if m.get("id") == self._model), None)
        if entry is None:
            raise EngineNotReady(
                f"The engine at {self._client.url} serves no model {self._model!r} any more.", "Correct engine.model."
            )
        meta = entry.get("meta") or {}
        said = [entry.get("root"), entry.get("max_model_len"), *(meta.get(name) for name in _STABLE)]
        return f"{self._model} {said}"

    async def tokenizer(self) -> "Tokenizer":
        if self._tokenizer is None:
            raise EngineRefused(
                f"The engine at {self._client.url} has no vocabulary that the bridge could count with.",
                "Set engine.tokenizer to the model's folder, tokenizer.json or GGUF, or split long texts.",
            )
        from embedstack.bridge.text import vocabulary  # it loads `tokenizers`, for which most bridges have no use

        try:
            return await asyncio.to_thread(vocabulary.load, self._tokenizer)
        except (OSError, ValueError) as error:
            raise EngineRefused(f"engine.tokenizer cannot be read: {error}.", "Correct its path.") from error

    async def close(self) -> None:
        await self._client.close()

    async def _models(self) -> list[dict[str, Any]]:
        models = (await self._read("/v1/models")).get("data")
        if not isinstance(models, list):
            raise EngineAnswerInvalid("The engine's /v1/models lists nothing.", "Check engine.url.")
        return [entry for entry in models if isinstance(entry, dict)]

    async def _read(self, path: str) -> dict[str, Any]:
        return self._checked(await self._client.get(path))

    async def _optional(self, path: str) -> dict[str, Any]:
        """A page that only some engines have; empty from the others."""
        answer = await self._client.get(path)
        try:
            value: dict[str, Any] = answer.json() if answer.status == 200 else {}
        except EngineAnswerInvalid:
            return {}
        return value

    def _checked(self, answer: Answer) -> dict[str, Any]:
        if answer.status == 200:
            value: dict[str, Any] = answer.json()
            return value
        raise self._fault(answer)

    def _fault(self, answer: Answer) -> BridgeError:
        said, log = answer.excerpt(), "Look at the engine's log."
        if answer.status in (429, 503):
            return EngineBusy(f"The engine is busy or loading: {said}", "Try again.")
        if answer.status in (401, 403):
            return EngineNotReady(f"The engine at {self._client.url} refuses the key: {said}", "Set engine.api_key.")
        if answer.status == 501:
            return EngineNotReady(f"The engine makes no embeddings: {said}", "Start it with --embeddings.")
        if answer.status == 404:
            return EngineNotReady(
                f"The engine knows no such path or model: {said}", "Check engine.url and engine.model."
            )
        if any(mark in said for mark in _TOO_LONG):
            return TooLong(f"The engine finds a text too long: {said}", "Split it, or raise the engine's context.")
        if answer.status == 504:
            return EngineTimeout(f"A proxy before the engine gave up waiting: {said}", "Raise its time-out.")
        if answer.status in (500, 502):
            return EngineDied(f"The engine failed ({answer.status}): {said}", log)
        return EngineRefused(f"The engine answered {answer.status}: {said}", log)
