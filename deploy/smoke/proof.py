"""The proof that `up` prints: one call to /api/embed, and what came back."""

from dataclasses import dataclass

import numpy as np
from rich.text import Text

from embedstack.deploy.bridge_client import BridgeClient
from embedstack.deploy.errors import BridgeRefused

TEXT = "The capital of China is Beijing."
SHOWN = 4


@dataclass(frozen=True)
class Proof:
    """One text's vector: how many numbers, of which length, and the first of them."""

    url: str
    model: str
    text: str
    dimensions: int
    norm: float
    first: tuple[float, ...]

    def __rich__(self) -> Text:
        numbers = ", ".join(f"{number:.4f}" for number in self.first)
        message = f"/api/embed → {self.dimensions} numbers of norm {self.norm:.4f}: [{numbers}, …]"
        return Text(message, no_wrap=True, overflow="ignore")


def proof(url: str, model: str, key: str | None = None) -> Proof:
    """Embed one text, through a bridge or at a bare Ollama. BridgeRefused."""
    with BridgeClient(url, key) as client:
        answer = client.post("/api/embed", {"model": model, "input": TEXT})
    try:
        vector = np.asarray(answer["embeddings"][0], dtype=np.float64)
        norm = float(np.linalg.norm(vector))
        return Proof(url, model, TEXT, len(vector), norm, tuple(float(number) for number in vector[:SHOWN]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BridgeRefused(f"What /api/embed at {url} answered is not a vector ({error!r}).") from error
