"""The tries at readers, in a process of their own."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzz import files
from benchmarks.fuzz.case import chance
from benchmarks.fuzz.files import Reader
from embedstack.models.demo.build import build, default_folder

_readers: dict[str, Reader] = {}
_folder = Path()


@dataclass(frozen=True)
class FileWork:
    """A process that makes tries, and the kinds that it knows."""

    pool: ProcessPoolExecutor
    kinds: tuple[str, ...]


@contextmanager
def work() -> Iterator[FileWork]:
    """The process, until the block ends, with a home of its own: the readers set aside what they find there."""
    with tempfile.TemporaryDirectory(prefix="embedstack-fuzz-") as home:
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, fresh, initializer=_prepare, initargs=(home,)) as pool:
            yield FileWork(pool, pool.submit(_kinds).result())


def file_try(seed: int, kind: str, number: int) -> tuple[str | None, bytes]:
    """What was wrong, None where nothing was, and what was read."""
    reader = _readers[kind]
    damaged = files.content(reader, chance(seed, kind, number))
    return files.attempt(reader, damaged, _folder / f"{kind.replace(' ', '-')}-{number}"), damaged


def _prepare(home: str) -> None:
    global _folder
    os.environ["EMBEDSTACK_HOME"] = home
    _folder = Path(home)
    demo = build(default_folder())
    shutil.copytree(demo.hf, _folder / "hf")  # another release's command may build its own where this one lies
    _readers.update(files.readers(demo.gguf, _folder / "hf"))
    for name in ("embedstack",):  # of each file they say that it was set aside
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _kinds() -> tuple[str, ...]:
    return tuple(_readers)
