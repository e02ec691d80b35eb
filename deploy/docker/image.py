"""The bridge's image: built here, from the very sources that run this command, and only when they have changed."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from deploy.docker import files
from deploy.errors import DeployError

LABEL = "embedstack.sources"
PACKAGES = ("bridge", "deploy", "modelfiles")
BESIDE = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE")
# What the bridge is made of: a change in the toolkit, which the wheel holds as well, is no reason to build again.
DECISIVE = ("bridge", "modelfiles", "pyproject.toml", "constraints.txt", "compose/bridge.Dockerfile")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.py[co]", "files")


def stage(context: Path) -> str:
    """Copy to `context`, an empty folder, what the image is built from; its digest. DeployError, OSError."""
    beside, packages = files.beside(), files.packages()
    shutil.copytree(beside / "compose", context / "compose", ignore=_LEFT_OUT)
    for name in PACKAGES:
        shutil.copytree(packages / name, context / name, ignore=_LEFT_OUT)
    for name in BESIDE:
        if not (beside / name).is_file():
            raise DeployError(f"{beside / name} is missing, which the bridge's image is built from.", "Install again.")
        shutil.copy2(beside / name, context / name)
    return digest(context)


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
