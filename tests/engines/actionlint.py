"""actionlint from its Go module: whether GitHub would take the workflows."""

from tests.engines.recipe import Recipe, Workshop
from tests.engines.tools import TOOLS, Tools

VERSION = "1.7.12"
MODULE = f"github.com/rhysd/actionlint/cmd/actionlint@v{VERSION}"


def build(workshop: Workshop) -> None:
    """`go install` by tag."""
    Tools(workshop.needs[TOOLS.name]).go_install(workshop, MODULE)


ACTIONLINT = Recipe(
    name="actionlint",
    version=VERSION,
    programs=("bin/actionlint",),
    ingredients=(MODULE,),
    build=build,
    tools=(TOOLS,),
)
