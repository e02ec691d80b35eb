"""A small Debian with Python as a tarball: what the containers of the tests are made of. No image registry is asked."""

from __future__ import annotations

import subprocess

from tests.engines.buildlog import BuildError
from tests.engines.recipe import Recipe, Workshop

SUITE = "bookworm"
# libstdc++6 and libgomp1: llama-server's. No curl, as in Ollama's own image.
PACKAGES = "python3,python3-venv,libstdc++6,libgomp1,ca-certificates"
TARBALL = "rootfs.tar"


def build(workshop: Workshop) -> None:
    """debootstrap from the mirror that this machine's own apt uses, then one tarball without what nobody reads."""
    arguments = ("--variant=minbase", f"--include={PACKAGES}", f"--cache-dir={_cache(workshop)}")
    root = workshop.prefix / "root"
    workshop.log.run("debootstrap", *arguments, SUITE, root, mirror())
    left_out = [
        f"--exclude=./{path}" for path in ("var/cache/apt/*", "var/lib/apt/lists/*", "usr/share/doc/*", "dev/*")
    ]
    workshop.log.run("tar", "--create", "--file", workshop.prefix / TARBALL, "--directory", root, *left_out, ".")
    workshop.log.run("rm", "--recursive", "--force", root)


def mirror() -> str:
    """The first Debian mirror that apt is configured with. BuildError where there is none."""
    # By codename: what apt calls the suite (stable, oldstable) changes with the years.
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {SUITE}"]
    output = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()
    if not output:
        raise BuildError(f"apt knows no mirror with Debian {SUITE}; run `apt-get update` on a Debian 12")
    return output[0].rstrip("/")


def _cache(workshop: Workshop) -> str:
    folder = workshop.scratch / "packages"
    folder.mkdir(exist_ok=True)
    return str(folder.absolute())


ROOTFS = Recipe(
    name="rootfs",
    version="12",
    programs=(TARBALL,),
    ingredients=(SUITE, PACKAGES),
    build=build,
    commands=("debootstrap", "tar"),
)
