"""What both ways to run llama.cpp as a child share: what is loaded, and what the end of the process is called."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from embedstack.bridge.backends.base import EngineDied, EngineKilled
from embedstack.bridge.backends.child import Ending

# Loading 8 GB from a slow disk; a restart for a request in flight is waited for far shorter.
START_TIMEOUT, RESTART_WAIT = 300.0, 10.0
EXIT_WAIT = 2.0  # seconds between a connection that breaks and the exit status of the process behind it
VARIABLES = {"GOMP_SPINCOUNT": "10000"}
"""OpenMP's threads spin while they wait for each other, by default for as long as a scheduler's turn: where another
program has one of their cores, a text of 1 ms takes 240. After so many rounds they sleep; an idle machine shows no
difference.
"""
_KILLED = (
    "No text is at fault. Look for `Out of memory` in the kernel's log (`journalctl -k`); a smaller engine.context or "
    "another quantisation needs less."
)


@dataclass(frozen=True, slots=True)
class Loading:
    """A GGUF and how it is loaded. `context` in tokens; `threads` of the CPU (None: the physical cores); `gpu_layers`
    None: all where there is a GPU; `timeout` of one engine call in seconds.
    """

    gguf: Path
    model: str
    eos_id: int | None
    context: int
    threads: int | None
    timeout: float
    dimensions: int | None = None
    gpu_layers: int | None = None


async def explained(error: EngineDied, end: asyncio.Future[Ending]) -> EngineDied:
    """A child's exit status tells what a broken connection cannot; the error as it is where none comes."""
    try:
        ending = await asyncio.wait_for(asyncio.shield(end), EXIT_WAIT)
    except TimeoutError:
        return error
    if ending.may_be_text:
        return EngineDied(f"The embedded engine ended in the middle of a request, by {ending}.", error.advice)
    return EngineKilled(f"The embedded engine was ended in the middle of a request by {ending}.", _KILLED)
