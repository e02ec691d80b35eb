"""Wheel and source distribution, what they say of themselves, what is installed with them, and their checksums."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from packaging.metadata import Metadata

from embedstack.deploy.webui.install import trusting

SUMS = "SHA256SUMS"


class ReleaseFault(Exception):
    """Why this cannot be released."""


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """What it prints. ReleaseFault with the end of it where it fails."""
    done = subprocess.run(
        ["/usr/bin/env", *map(str, command)],
        cwd=cwd,
        env=trusting(os.environ if env is None else env),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = " ".join(map(str, command))
        raise ReleaseFault(f"`{words}` ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def build(root: Path, folder: Path) -> tuple[Path, Path]:
    """Wheel and source distribution of `root` in `folder`, which is emptied. The wheel is built of the source
    distribution, as everybody would who does not take ours.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder, cwd=root)
    (sdist,) = folder.glob("*.tar.gz")
    # Without isolation: the build backend is pinned and here already.
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, sdist)
    (wheel,) = folder.glob("*.whl")
    return wheel, sdist


def check_metadata(wheel: Path, sdist: Path, number: str) -> str:
    """What the index shows. ReleaseFault where it would refuse it, or the two say different things."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        of_wheel = archive.read(name)
    with tarfile.open(sdist) as tar:
        member = tar.extractfile(f"{sdist.name.removesuffix('.tar.gz')}/PKG-INFO")
        of_sdist = member.read() if member else b""
    if of_wheel != of_sdist:
        raise ReleaseFault(f"{wheel.name} and {sdist.name} have different metadata.")
    try:
        reported = Metadata.from_email(of_wheel, validate=True)
    except ExceptionGroup as wrong:
        raise ReleaseFault(f"An index would refuse {wheel.name}: {'; '.join(map(str, wrong.exceptions))}") from wrong
    if (
        str(reported.version) != number
        or reported.description_content_type != "text/markdown"
        or not reported.description
    ):
        raise ReleaseFault(
            f"{wheel.name} is {reported.version} with a description in {reported.description_content_type}."
        )
    return f"{reported.name} {reported.version}, {reported.license_expression}, Python {reported.requires_python}"


def sbom(root: Path, wheel: Path, empty: Path) -> Path:
    """CycloneDX, of what is installed with all extras and the pins of constraints.txt: what was tested."""
    python = empty / "pinned" / "bin" / "python"
    path = wheel.with_name(f"{'-'.join(wheel.name.split('-')[:2])}.cdx.json")
    run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, empty / "pinned")
    pins = ("--constraint", root / "constraints.txt")
    run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, *pins, f"{wheel}[all]")
    options = ("--pyproject", root / "pyproject.toml", "--output-reproducible", "--output-file", path)
    run(sys.executable, "-m", "cyclonedx_py", "environment", *options, python)
    names = {part["name"] for part in json.loads(path.read_text(encoding="utf-8"))["components"]}
    if missing := {"numpy", "starlette", "typer", "xllamacpp"} - names:
        raise ReleaseFault(f"{path.name} lacks {', '.join(sorted(missing))}.")
    return path


def checksums(folder: Path) -> Path:
    """`sha256sum --check SHA256SUMS` beside the files says whether they are these."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name not in (SUMS, ".gitignore"))
    path = folder / SUMS
    path.write_text("".join(f"{_sha256(one)}  {one.name}\n" for one in files), encoding="utf-8")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
