"""What an index of documents depends on, in one short name. Pure."""

import hashlib
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from embedstack.bridge.index.fingerprint import Fingerprint
from embedstack.contract.answers import IndexFacts


def index_id(served: str, dimensions: int, document_prefix: str) -> str:
    """16 hexadecimal digits. Vectors of two indexes with different ones are not to be compared."""
    # Earlier versions normalised the prompt with Python's tables, and their indexes keep their names.
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
    """Each index that these vectors can make, by its fingerprint: 2,529 sizes of the 4B take a few milliseconds."""
    return MappingProxyType({index_id(served, size, document_prefix): size for size in sizes})


def told(served: Fingerprint, dimensions: int) -> str:
    """For a sentence."""
    return f"{served.model} at {served.precision}, {dimensions} dimensions"
