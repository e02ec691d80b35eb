"""Weaviate from its Go module: Open WebUI keeps vectors in it, in the tests of its stores."""

from tests.engines.recipe import Recipe, Workshop
from tests.engines.tools import TOOLS, Tools

VERSION = "1.39.3"
MODULE = f"github.com/weaviate/weaviate/cmd/weaviate-server@v{VERSION}"
PROGRAM = "bin/weaviate-server"


def build(workshop: Workshop) -> None:
    """`go install` by tag."""
    Tools(workshop.needs[TOOLS.name]).go_install(workshop, MODULE)


WEAVIATE = Recipe(
    name="weaviate",
    version=VERSION,
    programs=(PROGRAM,),
    ingredients=(MODULE,),
    build=build,
    tools=(TOOLS,),
)
