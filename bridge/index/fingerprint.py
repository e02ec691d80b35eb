"""What a vector depends on besides the text, in one short name. Pure."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

# Raised whenever normalising, rendering or cutting changes what reaches the engine for most requests. Where it does so
# for a few texts alone (rare marks), their keys change by themselves: a key is made of the final text.
RULES = "nfc-1"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`source` names the weights: their sha256 from the catalogue, else the engine's own digest of them."""

    model: str
    precision: str
    source: str
    style: str
    special_tokens: str
    rules: str = RULES
    _seed: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Lengths before the parts: two lists of parts never read as one.
        parts = (self.model, self.precision, self.source, self.style, self.special_tokens, self.rules)
        seed = hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode())
        object.__setattr__(self, "_seed", seed)

    @property
    def id(self) -> str:
        """16 hexadecimal digits, as in the X-Embed-Fingerprint header."""
        return str(self._seed.hexdigest()[:16])

    def key(self, text: str) -> bytes:
        """32 bytes for a final text, which holds its instruction: no role ever gets another's vector."""
        seed = self._seed.copy()
        seed.update(text.encode())
        digest: bytes = seed.digest()
        return digest
