"""Ollama from its Go module, with llama.cpp's programs where it looks for them."""

import shutil

from tests.engines.llama_cpp import LLAMA_CPP
from tests.engines.recipe import Recipe, Workshop
from tests.engines.tools import TOOLS, Tools

VERSION = "0.34.4"
MODULE = f"github.com/ollama/ollama@v{VERSION}"
# Without this flag the program calls itself 0.0.0, and what it answers on /api/version is part of what is tested.
LDFLAGS = f"-X github.com/ollama/ollama/version.Version={VERSION}"
# Since 0.30 Ollama runs every model in llama.cpp's own server, and rewrites what `create` is given with llama-quantize.
LIBRARY = "lib/ollama"
HELPERS = ("llama-server", "llama-quantize")


def build(workshop: Workshop) -> None:
    """`go install` by tag, then llama.cpp's two programs into `../lib/ollama` beside the executable."""
    Tools(workshop.needs[TOOLS.name]).go_install(workshop, MODULE, "-ldflags", LDFLAGS)
    library = workshop.prefix / LIBRARY
    library.mkdir(parents=True)
    for helper in HELPERS:
        shutil.copy2(workshop.needs[LLAMA_CPP.name] / "bin" / helper, library / helper)


OLLAMA = Recipe(
    name="ollama",
    version=VERSION,
    programs=("bin/ollama", *(f"{LIBRARY}/{helper}" for helper in HELPERS)),
    ingredients=(MODULE, LDFLAGS),
    build=build,
    parts=(LLAMA_CPP,),
    tools=(TOOLS,),
)
