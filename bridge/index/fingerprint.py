"""Short names for what a vector depends on besides its text, and for an index of documents. Pure."""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from embedstack.contract.answers import IndexFacts

# Raised whenever a change of normalising, rendering or cutting changes what reaches the engine for most requests. If
# only a few texts change (rare marks), their keys change by themselves: a key is made from the final text.
RULES = "nfc-1"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`source` names the weights: their sha256 from the catalogue, or else the engine's digest of them."""

    model: str
    precision: str
    source: str
    style: str
    special_tokens: str
    rules: str = RULES
    _seed: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Each part has its length before it, so that different lists of parts never give the same string.
        parts = (self.model, self.precision, self.source, self.style, self.special_tokens, self.rules)
        seed = hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode())
        object.__setattr__(self, "_seed", seed)

    @property
    def id(self) -> str:
        """16 hexadecimal digits, as in the X-Embed-Fingerprint header."""
        return str(self._seed.hexdigest()[:16])

    def key(self, text: str) -> bytes:
        """32 bytes for a final text. The text contains its instruction, so no role ever gets another role's vector."""
        seed = self._seed.copy()
        seed.update(text.encode())
        digest: bytes = seed.digest()
        return digest


def index_id(served: str, dimensions: int, document_prefix: str) -> str:
    """16 hexadecimal digits. Vectors of indexes with different ids must not be compared."""
    # Earlier versions normalised the prompt with Python's tables; their indexes must keep their names.
    parts = f"{served} {dimensions} {unicodedata.normalize('NFC', document_prefix)}"
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def facts(served: Fingerprint, dimensions: int, document_prefix: str) -> IndexFacts:
    return IndexFacts(
        fingerprint=index_id(served.id, dimensions, document_prefix),
        model=served.model,
        precision=served.precision,
        dimensions=dimensions,
        style=served.style,
        document_prefix=document_prefix,
        served=served.id,
    )


@lru_cache(maxsize=2)
def dimensions_by_id(served: str, sizes: range, document_prefix: str) -> Mapping[str, int]:
    """The dimensions of each possible index, by its fingerprint. The 2,529 of the 4B take a few milliseconds."""
    return MappingProxyType({index_id(served, size, document_prefix): size for size in sizes})


def described(served: Fingerprint, dimensions: int) -> str:
    """The index's model, precision and dimensions, for use in a sentence."""
    return f"{served.model} at {served.precision}, {dimensions} dimensions"
