"""A toy engine that is built in no time, and what the tests of the engines wait with."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.engines.buildlog import BuildLog
from tests.engines.recipe import Recipe, Workshop


@dataclass
class Witness:
    """A display that remembers what it was given."""

    waited: threading.Event = field(default_factory=threading.Event)
    finished: list[str] = field(default_factory=list)

    def waiting(self, _lock: Path) -> None:
        """Remember that somebody had to wait."""
        self.waited.set()

    def building(self, _label: str, _log: BuildLog) -> None:
        """Nothing to remember."""

    def built(self, label: str, _seconds: float) -> None:
        """Remember what was built."""
        self.finished.append(label)


def make_tool(workshop: Workshop) -> None:
    """A build of one file."""
    workshop.log.run("sh", "-c", 'echo made > "$0"/tool', workshop.prefix)


def recipe(name: str = "toy", build: Callable[[Workshop], None] = make_tool, **other: Any) -> Recipe:
    """A recipe for one file called `tool`."""
    made = Recipe(name=name, version="1.0", programs=("tool",), ingredients=("flour",), build=build)
    return replace(made, **other)


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return once `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether no process has this id, zombies aside."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
