"""Which engines there are, and which of them lie ready in the cache."""

from dataclasses import dataclass
from pathlib import Path

from tests.engines.actionlint import ACTIONLINT
from tests.engines.compose import COMPOSE
from tests.engines.llama_cpp import LLAMA_CPP
from tests.engines.ollama import OLLAMA
from tests.engines.recipe import Recipe, engines_root
from tests.engines.rootfs import ROOTFS
from tests.engines.vllm import VLLM
from tests.engines.weaviate import WEAVIATE

ENGINES: tuple[str, ...] = tuple(recipe.name for recipe in (LLAMA_CPP, OLLAMA, VLLM))
"""Those that embed."""
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (LLAMA_CPP, OLLAMA, VLLM, COMPOSE, ROOTFS, WEAVIATE, ACTIONLINT)
}
"""All that is built, what the tests of containers, of the vector stores and of the workflows need included."""


@dataclass(frozen=True)
class Engine:
    """An engine that is installed."""

    name: str
    version: str
    folder: Path

    def program(self, name: str) -> Path:
        """The absolute path of one of its programs."""
        return self.folder / "bin" / name


def locate(name: str, root: Path | None = None) -> Engine | None:
    """The engine `name` where it is installed from the recipe at hand, else None. KeyError for an unknown name."""
    recipe = RECIPES[name]
    root = root or engines_root()
    return Engine(recipe.name, recipe.version, recipe.folder(root)) if recipe.installed(root) else None
