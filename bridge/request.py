"""What travels down the road: every door makes an EmbedRequest, and turns an EmbedResult into its own wire shape."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
OnTooLong = Literal["error", "truncate"]
KeepAlive = str | int | float | None


@dataclass(frozen=True, slots=True)
class PromptHints:
    """What a request itself says of its role. Values are as sent: synonyms are resolved in `prompts`."""

    fields: tuple[tuple[str, str], ...] = ()
    instruction: str | None = None
    header: str | None = None


NO_HINTS = PromptHints()


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts to embed, in order. `dimensions` None: the model's default. `on_too_long` None: the configured policy."""

    model: str
    texts: tuple[str, ...]
    hints: PromptHints = NO_HINTS
    dimensions: int | None = None
    on_too_long: OnTooLong | None = None
    keep_alive: KeepAlive = None


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """Unit vectors (n, k) float32 in the order of the texts; `tokens` counts the whole request, EOS included."""

    vectors: Vectors
    tokens: int
    truncated: tuple[int, ...] = field(default=())
