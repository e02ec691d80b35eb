"""What the served model looks like in Ollama's listings: the engine's own entry, or one made from the catalogue."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.backends.base import EngineFacts
from bridge.pipeline import Pipeline

# The Ollama whose API the bridge keeps; told to clients that ask an engine which is not Ollama.
OLLAMA_API = "0.34.4"


class ModelCard:
    """Entries for /api/tags, /api/ps and /api/show."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._started = datetime.now(UTC).isoformat()

    def listed(self) -> list[dict[str, Any]]:
        return [self._entry(name) for name in self._pipeline.names.listed]

    async def running(self) -> list[dict[str, Any]]:
        """The one model, while it is loaded, with the engine's own word on memory and expiry where it has one."""
        if not self._pipeline.pool.is_ready:
            return []
        engine_says = await self._pipeline.pool.main.backend.loaded()
        if engine_says is not None and not engine_says:
            return []
        entry = self._entry(self._pipeline.names.listed[0])
        del entry["modified_at"], entry["capabilities"]
        entry["expires_at"] = (datetime.now(UTC) + timedelta(days=365)).isoformat()
        entry["size_vram"] = 0
        entry["context_length"] = self._context()
        own = {key: value for key, value in (engine_says or {}).items() if key not in ("name", "model")}
        return [entry | own]

    def shown(self) -> dict[str, Any]:
        if (facts := self._facts()) is not None and facts.kind == "ollama":
            return dict(facts.details)
        model = self._pipeline.model
        return {
            "license": "apache-2.0",
            "modelfile": f"# {model.id} at {self._pipeline.pool.precision}\n",
            "parameters": f"{'num_ctx':<30} {self._context()}",
            "template": "{{ .Prompt }}",
            "details": self._details(),
            "model_info": {**model.header.required, "qwen3.context_length": model.context.trained},
            "capabilities": ["embedding"],
            "modified_at": self._started,
        }

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
            "details": self._details(),
            "capabilities": ["embedding"],
        }

    def _details(self) -> dict[str, Any]:
        model = self._pipeline.model
        return {
            "parent_model": model.note or "",
            "format": "gguf",
            "family": "qwen3",
            "families": ["qwen3"],
            "parameter_size": _size(model.parameters),
            "quantization_level": self._pipeline.pool.precision.upper(),  # Ollama writes F16
            "context_length": self._context(),
            "embedding_length": model.dimensions,
        }

    def _context(self) -> int:
        ready = self._pipeline.pool.main.ready
        return ready.context if ready else self._pipeline.model.context.trained

    def _facts(self) -> EngineFacts | None:
        """What the engine that speaks for all said of itself; None before it was ready."""
        ready = self._pipeline.pool.main.ready
        return ready.facts if ready else None

    def _digest(self) -> str:
        """The catalogue's sha256 of the weights at the served precision; zeros where it has none (a Hub folder)."""
        model, precision = self._pipeline.model, self._pipeline.pool.precision
        digests = [file.sha256 for file in model.files if file.quantisation == precision]
        return next((digest for digest in digests if digest), "0" * 64)


def _size(parameters: int | None) -> str:
    if not parameters:
        return ""
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"
