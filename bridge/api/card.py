"""The served model's entries in the listings of both APIs: the engine's own, or made from the catalogue."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from embedstack.bridge.backends.base import EngineFacts
from embedstack.bridge.pipeline import Pipeline
from embedstack.bridge.request import EmbedRequest
from embedstack.bridge.text.length import limit_of

# The version of Ollama whose API the bridge implements; clients see it if the engine is not Ollama.
OLLAMA_API = "0.34.4"


class ModelCard:
    """Entries for /api/tags, /api/ps, /api/show and /v1/models. Dimensions are those of the name. The context is what
    the engine accepts: with the model's trained context, clients would send texts that are refused."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._fleet = pipeline.fleet
        self._started = datetime.now(UTC).isoformat()

    def listed(self, names: Sequence[str]) -> list[dict[str, Any]]:
        return [self._entry(name) for name in names]

    async def running(self) -> list[dict[str, Any]]:
        """The model, while it is loaded, with memory and expiry from the engine if it reports them."""
        if not self._fleet.is_ready:
            return []
        engine_says = await self._fleet.main.backend.loaded()
        if engine_says is not None and not engine_says:
            return []
        name = self._pipeline.names.listed[0]
        entry = self._entry(name)
        del entry["modified_at"], entry["capabilities"]
        entry["expires_at"] = (datetime.now(UTC) + timedelta(days=365)).isoformat()
        entry["size_vram"] = 0
        entry |= self._context()
        own = {key: value for key, value in (engine_says or {}).items() if key not in ("name", "model")}
        return [entry | own | {"details": self._corrected(name, own.get("details", entry["details"]))}]

    def shown(self, name: str) -> dict[str, Any]:
        """The card of a name. BadRequest and UnknownModel as for an embedding request with that name."""
        size = self._size(name)
        if (facts := self._facts()) is not None and facts.kind == "ollama":
            own = facts.details
            details, info = self._corrected(name, own.get("details")), self._info(size, _given(own.get("model_info")))
            return {**own, "details": details, "model_info": info}
        model = self._pipeline.model
        return {
            "license": "apache-2.0",
            "modelfile": f"# {model.id} at {self._fleet.precision}\n",
            "parameters": "".join(f"{'num_ctx':<30} {value}" for value in self._context().values()),
            "template": "{{ .Prompt }}",
            "details": self._details(name),
            "model_info": self._info(size, model.header.required),
            "capabilities": ["embedding"],
            "modified_at": self._started,
        }

    def openai(self, name: str) -> dict[str, Any]:
        """An entry of /v1/models. `max_model_len` is a field of vLLM's entries, `dimensions` a field of ours alone."""
        context = self._context().get("context_length")
        entry = {"id": name, "object": "model", "created": 0, "owned_by": "embedstack"}
        size = {"dimensions": self._size(name)["embedding_length"]}
        return entry | size | ({"max_model_len": limit_of(context)} if context else {})

    def version(self) -> str:
        if (facts := self._facts()) is not None and facts.kind == "ollama":
            return facts.version
        return OLLAMA_API

    def _entry(self, name: str) -> dict[str, Any]:
        facts = self._facts()
        tagged = name if ":" in name else f"{name}:latest"
        return {
            "name": tagged,
            "model": tagged,
            "modified_at": (facts and facts.modified_at) or self._started,
            "size": facts.size if facts else 0,
            "digest": (facts and facts.digest) or self._digest(),
            "details": self._details(name),
            "capabilities": ["embedding"],
        }

    def _details(self, name: str) -> dict[str, Any]:
        model = self._pipeline.model
        return {
            "parent_model": model.note or "",
            "format": "gguf",
            "family": "qwen3",
            "families": ["qwen3"],
            "parameter_size": _parameters(model.parameters),
            "quantization_level": self._fleet.precision.upper(),  # Ollama writes F16
            **self._context(),
            **self._size(name),
        }

    def _size(self, name: str) -> dict[str, int]:
        return {"embedding_length": self._pipeline.meaning(EmbedRequest(name, ())).dimensions}

    def _context(self) -> dict[str, int]:
        """Empty until the engine has reported its context."""
        ready = self._fleet.main.ready
        return {"context_length": ready.context} if ready else {}

    def _corrected(self, name: str, details: Any) -> dict[str, Any]:
        """The engine's own details, with the context and dimensions of this name."""
        ours = {**self._context(), **self._size(name)}
        return {key: ours.get(key, value) for key, value in _given(details).items()}

    def _info(self, size: Mapping[str, int], own: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of a GGUF header; `context_length` is the number of tokens that a text may have."""
        kind = own.get("general.architecture", "qwen3")
        info = {**own, f"{kind}.embedding_length": size["embedding_length"]}
        info.pop(f"{kind}.context_length", None)
        return info | {f"{kind}.{key}": limit_of(value) for key, value in self._context().items()}

    def _facts(self) -> EngineFacts | None:
        """What the main engine reported about itself; None until it is ready."""
        ready = self._fleet.main.ready
        return ready.facts if ready else None

    def _digest(self) -> str:
        """The catalogue's sha256 of the weights at the served precision; zeros if it has none (a Hub folder)."""
        model, precision = self._pipeline.model, self._fleet.precision
        digests = [file.sha256 for file in model.files if file.quantisation == precision]
        return next((digest for digest in digests if digest), "0" * 64)


def _given(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _parameters(parameters: int | None) -> str:
    if not parameters:
        return ""
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"
