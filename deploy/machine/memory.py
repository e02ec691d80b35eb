"""The memory of this machine."""

from dataclasses import dataclass

import psutil

WEBUI = 1_000_000_000  # bytes; Open WebUI 0.12.4 was seen with 0.8 GB resident


@dataclass(frozen=True)
class Memory:
    """Bytes of the machine."""

    total: int
    available: int


def look() -> Memory:
    found = psutil.virtual_memory()
    return Memory(found.total, found.available)
