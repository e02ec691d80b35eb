"""Where the Compose files and the bridge's Dockerfile are: in a checkout, or in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from embedstack.deploy.errors import DeployError

PACKAGE = Path(__file__).parents[2]
CHECKOUT = PACKAGE.parent
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


def package() -> Path:
    """The folder of the package embedstack: in a checkout with links in it."""
    return PACKAGE


def compose(names: tuple[str, ...]) -> tuple[Path, ...]:
    """compose.yaml, then the overlays `names` in their order."""
    folder = beside() / "compose"
    return (folder / "compose.yaml", *(folder / f"compose.{name}.yaml" for name in names))
