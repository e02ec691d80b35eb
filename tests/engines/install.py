"""Build what is missing, once: under a lock, in a `.partial` folder that is renamed when it is complete."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.engines.buildlog import BuildError, BuildLog
from tests.engines.machine import check_machine
from tests.engines.recipe import Recipe, Workshop


class Display(Protocol):
    """Who is informed how a build goes."""

    def waiting(self, lock: Path) -> None:
        """Another build holds the lock."""

    def building(self, label: str, log: BuildLog) -> None:
        """Called about five times a second while `label` is built."""

    def built(self, label: str, seconds: float) -> None:
        """`label` is complete."""


def to_build(recipes: Sequence[Recipe], root: Path) -> list[Recipe]:
    """Those of `recipes` that are not installed, after the tools and parts which they want and lack; each once."""
    ordered: dict[str, Recipe] = {}
    for recipe in recipes:
        if recipe.installed(root):
            continue
        for wanted in to_build((*recipe.tools, *recipe.parts), root):
            ordered.setdefault(wanted.name, wanted)
        ordered.setdefault(recipe.name, recipe)
    return list(ordered.values())


def install(recipes: Sequence[Recipe], root: Path, display: Display) -> list[Recipe]:
    """Build those of `recipes` (and of what they are made with) that are not installed; return what was built.

    BuildError when the machine lacks something or a step fails. What was finished before the failure stays.
    """
    missing = to_build(recipes, root)
    if not missing:
        return []
    check_machine(missing)
    root.mkdir(parents=True, exist_ok=True)
    built = []
    with locked(root / ".lock", display.waiting) as descriptor:
        for recipe in to_build(recipes, root):
            _build(recipe, root, display, descriptor)
            built.append(recipe)
    return built


@contextmanager
def locked(path: Path, waiting: Callable[[Path], None]) -> Iterator[int]:
    """Hold the lock file `path`; yields its descriptor. The kernel lets go of it when the last holder is gone."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting(path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _build(recipe: Recipe, root: Path, display: Display, lock: int) -> None:
    folder = recipe.folder(root)
    partial = folder.with_name(folder.name + ".partial")
    scratch = root / "scratch" / f"{recipe.label}-{recipe.digest}"
    scratch.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    needs = {needed.name: needed.folder(root) for needed in (*recipe.tools, *recipe.parts)}
    began = time.monotonic()
    log = _new_log(recipe, root, display, lock)
    recipe.build(Workshop(prefix=partial, scratch=scratch, needs=needs, log=log))
    absent = [program for program in recipe.programs if not (partial / program).is_file()]
    if absent:
        raise BuildError(f"the build of {recipe.label} ended well but did not make {', '.join(absent)}", log.path)
    recipe.write_stamp(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    for old in scratch.parent.glob(f"{recipe.label}-*"):
        shutil.rmtree(old)
    display.built(recipe.label, time.monotonic() - began)


def _new_log(recipe: Recipe, root: Path, display: Display, lock: int) -> BuildLog:
    path = root / "logs" / f"{recipe.label}.log"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    log = BuildLog(path, tick=lambda: display.building(recipe.label, log), keep_open=(lock,))
    return log
