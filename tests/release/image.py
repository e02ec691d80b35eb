"""The bridge's image as a file, and what is in it: Python's distributions and Debian's packages."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from tests.release.artifacts import ReleaseFault, run

_PYTHONS = (
    "from importlib.metadata import distributions as d; print(*{f'{o.name} {o.version}' for o in d()}, sep='\\n')"
)
_DEBIANS = "! command -v dpkg-query > /dev/null || dpkg-query --show --showformat '${Package} ${Version}\\n'"


def build(root: Path, folder: Path, number: str, base: str | None) -> tuple[Path, Path]:
    """Build it, write it as `docker load` reads it, and its SBOM. ReleaseFault."""
    name = f"embedstack/bridge:{number}"
    options = ("--file", root / "compose" / "bridge.Dockerfile", "--tag", name)
    run("docker", "build", "--quiet", *options, *(("--build-arg", f"BASE={base}") if base else ()), root)
    return write(name, folder)


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """An image that is there, named REPOSITORY:VERSION, as a file and its SBOM. ReleaseFault."""
    number = name.partition(":")[2]
    said = run("docker", "run", "--rm", name, "--version").strip()
    if said != f"embed-bridge {number}":
        raise ReleaseFault(f"The image says that it is {said!r}.")
    written = _save(name, folder / f"embedstack-bridge-{number}.tar.gz")
    return written, _sbom(name, folder / f"embedstack-bridge-{number}.cdx.json")


def _save(name: str, path: Path) -> Path:
    command = ["/usr/bin/env", "docker", "save", name]
    with gzip.open(path, "wb", compresslevel=1) as packed, subprocess.Popen(command, stdout=subprocess.PIPE) as saving:
        assert saving.stdout is not None
        shutil.copyfileobj(saving.stdout, packed)
    if saving.returncode:
        raise ReleaseFault(f"`docker save {name}` ended with {saving.returncode}.")
    return path


def _sbom(name: str, path: Path) -> Path:
    image, number = name.split(":")
    bom = Bom(components=[*_inside(name, "pypi", "", "python", "-P", "-c", _PYTHONS)])
    bom.components.update(_inside(name, "deb", "debian", "sh", "-c", _DEBIANS))
    bom.metadata.component = Component(name=image, version=number, type=ComponentType.CONTAINER)
    bom.register_dependency(bom.metadata.component, bom.components)
    names = {part.name for part in bom.components}
    if missing := {"embedstack", "numpy", "uvicorn"} - names:
        raise ReleaseFault(f"The SBOM of {name} lacks {', '.join(sorted(missing))}.")
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n", encoding="utf-8")
    return path


def _inside(image: str, kind: str, namespace: str, program: str, *arguments: str) -> Iterator[Component]:
    said = run("docker", "run", "--rm", "--network", "none", "--entrypoint", program, image, *arguments)
    for line in sorted(said.splitlines()):
        name, version = line.split(" ", 1)
        url = PackageURL(kind, namespace or None, name, version)
        yield Component(name=name, version=version, purl=url, bom_ref=str(url))
