"""What an engine is: its name, its version, where it lies, and whether what lies there is what this recipe makes."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_dir

from tests.engines.buildlog import BuildLog

STAMP = "embedstack-engine.json"


def engines_root() -> Path:
    """The cache folder of all engines: `EMBEDSTACK_ENGINES`, else `engines` in the user's cache directory."""
    override = os.environ.get("EMBEDSTACK_ENGINES")
    return Path(override).expanduser().absolute() if override else Path(user_cache_dir("embedstack")) / "engines"


@dataclass(frozen=True)
class Workshop:
    """Where one engine is built. `prefix` becomes the engine; `scratch` outlives an interrupted try.

    `needs` has the folders of the recipe's tools and parts by name.
    """

    prefix: Path
    scratch: Path
    needs: Mapping[str, Path]
    log: BuildLog


@dataclass(frozen=True)
class Recipe:
    """How one engine is made. `ingredients` and `parts` decide the outcome: a change in them means a rebuild.

    `tools` are recipes too, wanted only while this one is built. `programs` are files, relative to its folder, that a
    finished build has; `commands` and `libraries` are what the machine must bring.
    """

    name: str
    version: str
    programs: tuple[str, ...]
    ingredients: tuple[str, ...]
    build: Callable[[Workshop], None]
    parts: tuple["Recipe", ...] = ()
    tools: tuple["Recipe", ...] = ()
    commands: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    folder_name: str = ""

    @property
    def label(self) -> str:
        """What the folder and the log file are called: name and version, unless it has a name of its own."""
        return self.folder_name or f"{self.name}-{self.version}"

    @property
    def digest(self) -> str:
        """16 hex digits over all that decides the outcome."""
        decisive = [self.name, self.version, *self.programs, *self.ingredients, *(part.digest for part in self.parts)]
        return hashlib.sha256("\0".join(decisive).encode()).hexdigest()[:16]

    def folder(self, root: Path) -> Path:
        """Where this engine lies under `root`."""
        return root / self.label

    def installed(self, root: Path) -> bool:
        """Whether a finished build of exactly this recipe lies under `root`."""
        folder = self.folder(root)
        return read_stamp(folder) == self.stamp() and all((folder / program).is_file() for program in self.programs)

    def stamp(self) -> dict[str, str]:
        """What the stamp file of a finished build says."""
        return {"name": self.name, "version": self.version, "recipe": self.digest}

    def write_stamp(self, folder: Path) -> None:
        """Mark `folder` as a finished build of this recipe."""
        (folder / STAMP).write_text(json.dumps(self.stamp(), indent=2) + "\n")


def read_stamp(folder: Path) -> dict[str, str] | None:
    """The stamp in `folder`, or None where there is none or it is not readable as one."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) else None
