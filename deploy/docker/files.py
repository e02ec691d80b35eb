"""Where the Compose files and the bridge's Dockerfile are: in a checkout, or in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from deploy.errors import DeployError

CHECKOUT = Path(__file__).parents[2]
# pyproject.toml puts what a checkout has beside the packages here (force-include).
WHEEL = Path(__file__).parent / "files"


def beside() -> Path:
    """The folder with compose/, pyproject.toml and constraints.txt. DeployError where an installation lacks them."""
    for folder in (CHECKOUT, WHEEL):
        if (folder / "compose" / "compose.yaml").is_file() and (folder / "pyproject.toml").is_file():
            return folder
    raise DeployError(
        f"The Compose files are neither in {CHECKOUT} nor in {WHEEL}.", "Install embedstack again; its wheel has them."
    )


def packages() -> Path:
    """The folder in which the packages bridge, deploy and modelfiles lie."""
    return CHECKOUT


def compose(names: tuple[str, ...]) -> tuple[Path, ...]:
    """compose.yaml, then the overlays `names` in their order."""
    folder = beside() / "compose"
    return (folder / "compose.yaml", *(folder / f"compose.{name}.yaml" for name in names))
