"""What a machine must bring itself before an engine can be built or run, and which package has it."""

import ctypes
import shutil
from collections.abc import Callable, Sequence

from tests.engines.buildlog import BuildError
from tests.engines.recipe import Recipe

# Debian's and Ubuntu's package names; other systems have the same things under similar names.
PACKAGE_OF = {
    "cc": "build-essential",
    "c++": "build-essential",
    "tar": "tar",
    "debootstrap": "debootstrap",
    "lscpu": "util-linux",
    "libnuma.so.1": "libnuma1",
}


def _has_command(name: str) -> bool:
    return shutil.which(name) is not None


def _has_library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def check_machine(
    recipes: Sequence[Recipe],
    has_command: Callable[[str], bool] = _has_command,
    has_library: Callable[[str], bool] = _has_library,
) -> None:
    """BuildError that names every program and library which `recipes` want and this machine lacks, and its package."""
    lacking = [(name, recipe) for recipe in recipes for name in recipe.commands if not has_command(name)]
    lacking += [(name, recipe) for recipe in recipes for name in recipe.libraries if not has_library(name)]
    if not lacking:
        return
    lines = [f"`{name}` is missing, which {recipe.label} needs" for name, recipe in lacking]
    packages = " ".join(sorted({PACKAGE_OF[name] for name, _ in lacking}))
    raise BuildError("\n".join([*lines, f"apt-get install {packages}, then run the same command again."]))
