"""How much a program that installs something has written, while it runs: neither pip nor uv says so in a pipe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

EVERY = 0.5  # seconds


@contextmanager
def watched(pid: int, tell: Callable[[int], None], every: float = EVERY) -> Iterator[None]:
    """`tell` gets the bytes that the process and its children have written so far, now and then, until the block ends.
    Nothing is reported where the system does not count them (macOS).
    """
    over = threading.Event()

    def watch() -> None:
        most = 0
        while not over.wait(every):
            # A child's bytes are no longer counted once it has ended.
            most = max(most, _bytes(pid))
            if most:
                tell(most)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _bytes(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(map(_own, family))


def _own(process: psutil.Process) -> int:
    try:
        counters = process.io_counters()
    except (psutil.Error, AttributeError, NotImplementedError):
        return 0
    # What was handed to the system: what has reached the disk already comes in bursts, and is 0 in memory.
    return int(getattr(counters, "write_chars", 0) or counters.write_bytes)
