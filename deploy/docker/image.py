"""The bridge's image: built here, from the very sources that run this command, and only when they have changed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from embedstack.deploy.docker import files
from embedstack.deploy.errors import DeployError

LABEL = "embedstack.sources"
LINKED = ("bridge", "deploy", "modelfiles")
"""Folders of the package that stand beside it in a checkout, as they do in what is staged."""
BESIDE = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE")
# What the bridge is made of: a change in the toolkit, which the wheel holds as well, is no reason to build again.
DECISIVE = ("bridge", "modelfiles", "embedstack", "pyproject.toml", "constraints.txt", "compose/bridge.Dockerfile")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.py[co]", "files")


def stage(context: Path) -> str:
    """Copy to `context`, an empty folder, what the image is built from; its digest. DeployError, OSError."""
    beside, package = files.beside(), files.package()
    shutil.copytree(beside / "compose", context / "compose", ignore=_LEFT_OUT)
    shutil.copytree(package, context / "embedstack", ignore=_without_links(package))
    for name in LINKED:
        shutil.copytree(package / name, context / name, ignore=_LEFT_OUT)
        (context / "embedstack" / name).symlink_to(Path("..", name))
    for name in BESIDE:
        if not (beside / name).is_file():
            raise DeployError(f"{beside / name} is missing, which the bridge's image is built from.", "Install again.")
        shutil.copy2(beside / name, context / name)
    return digest(context)


def _without_links(package: Path) -> Callable[[str, list[str]], set[str]]:
    def ignored(folder: str, names: list[str]) -> set[str]:
        return {*_LEFT_OUT(folder, names), *(LINKED if Path(folder) == package else ())}

    return ignored


def digest(folder: Path) -> str:
    """16 hex digits over names and contents of the decisive files."""
    whole = hashlib.sha256()
    wanted = [folder / name for name in DECISIVE]
    for path in sorted(path for top in wanted for path in (top, *top.rglob("*")) if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(folder)}\0{content}\n".encode())
    return whole.hexdigest()[:16]


def label(sources: str, base: str) -> str:
    """What marks an image that was built from these sources on that base."""
    return f"{LABEL}={sources} {base}"
