"""Chat models of Ollama's library, and the one that fits into the memory that is left beside the embedding model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import msgspec

from embedstack.models.catalog import DATA
from embedstack.readers import yaml_file

CONTEXT = 4096  # tokens; Ollama's own below 23 GiB of GPU memory and on a CPU, since 0.15.5
ON_CPU = 3_000_000_000  # bytes of weights: each word reads all of them, and of more some 10 a second at best


@dataclass(frozen=True)
class ChatModel:
    """One of chat.yaml, where each figure has its source. `bytes`: of its file, about."""

    name: str
    bytes: int
    kv_bytes_per_token: int

    @property
    def needed(self) -> int:
        """Bytes of memory: the file and Ollama's own context."""
        return self.bytes + CONTEXT * self.kv_bytes_per_token


@cache
def known() -> tuple[ChatModel, ...]:
    """All of them, the smallest first."""
    return msgspec.convert(yaml_file.read(DATA / "chat.yaml")["models"], tuple[ChatModel, ...])


def propose(room: int, *, on_gpu: bool) -> ChatModel | None:
    """The largest that fits into `room` bytes, and is not slow on a CPU; None where none fits."""
    some = [model for model in known() if model.needed <= room and (on_gpu or model.bytes <= ON_CPU)]
    return max(some, key=lambda model: model.bytes, default=None)


def gb(number: int) -> str:
    """Bytes as Ollama's list shows them, decimal: `2.5 GB`."""
    return f"{number / 1e9:.1f} GB"
