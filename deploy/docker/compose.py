"""Which overlays make compose.yaml into a stack. Pure.

Where the Compose files and the bridge's Dockerfile are: in a checkout, or in an installed wheel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from embedstack.deploy.errors import DeployError
from embedstack.deploy.plan.plan import Plan

Gpu = Literal["nvidia", "cdi", "rocm"]


def overlays(plan: Plan, gpu: Gpu | None) -> tuple[str, ...]:
    """Names of the overlays, in the order in which they are laid over compose.yaml.

    `gpu` is how the daemon hands out a GPU, None for not at all: a reservation that it cannot meet is fatal.
    """
    chosen = [*_engine(plan, gpu), *_vllm(plan, gpu)]
    if plan.store is not None:
        chosen.append("external-store")
    return (*chosen, plan.own_store) if plan.own_store else tuple(chosen)


def _engine(plan: Plan, gpu: Gpu | None) -> tuple[str, ...]:
    match plan.engine.kind:
        case "vllm":
            return ()
        case "embedded":
            return ("embedded",)
        case "ollama" if not plan.engine.managed:
            return ("external-ollama",)
        case "ollama":
            return (gpu,) if gpu and not plan.settings.engine.cpu else ()


def _vllm(plan: Plan, gpu: Gpu | None) -> tuple[str, ...]:
    if plan.on_vllm is None:
        return ()
    place = "vllm-beside" if plan.beside else "vllm-only"
    # vLLM's image for AMD is another one, with other arguments: images.vllm names it, and the user adds the devices.
    return ("vllm", f"vllm-{gpu}", place) if gpu in ("nvidia", "cdi") else ("vllm", place)


PACKAGE = Path(__file__).parents[2]
CHECKOUT = PACKAGE.parent
# pyproject.toml puts what a checkout has beside the packages here (force-include).
WHEEL = Path(__file__).parent / "files"


def source_folder() -> Path:
    """The folder with compose/, pyproject.toml and constraints.txt. DeployError where an installation lacks them."""
    for folder in (CHECKOUT, WHEEL):
        if (folder / "compose" / "compose.yaml").is_file() and (folder / "pyproject.toml").is_file():
            return folder
    raise DeployError(
        f"The Compose files are neither in {CHECKOUT} nor in {WHEEL}.", "Install embedstack again; its wheel has them."
    )


def package_folder() -> Path:
    """The folder of the package embedstack: in a checkout with links in it."""
    return PACKAGE


def compose_files(names: tuple[str, ...]) -> tuple[Path, ...]:
    """compose.yaml, then the overlays `names` in their order."""
    folder = source_folder() / "compose"
    return (folder / "compose.yaml", *(folder / f"compose.{name}.yaml" for name in names))
