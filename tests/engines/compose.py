"""Docker Compose v2, as the docker client's plugin, from its Go library: the released program is in no registry."""

import shutil
from pathlib import Path

from tests.engines.recipe import Recipe, Workshop
from tests.engines.tools import TOOLS, Tools

VERSION = "2.40.3"
LIBRARY = "github.com/docker/compose/v2"
SOURCE = Path(__file__).parent / "compose_plugin" / "main.go"
PLUGIN = "bin/docker-compose"
# Both are what `docker compose version` may be asked for: the plugin's own word, and the library's.
LDFLAGS = f"-s -w -X main.version=v{VERSION} -X {LIBRARY}/internal.Version=v{VERSION}"


def build(workshop: Workshop) -> None:
    """A module of its own that asks for the library by tag, then `go build`."""
    tools = Tools(workshop.needs[TOOLS.name])
    environment = {"GOTOOLCHAIN": "local", "GOROOT": "", "GOFLAGS": "", "CGO_ENABLED": "0"}
    module = workshop.scratch / "module"
    shutil.rmtree(module, ignore_errors=True)
    module.mkdir()
    shutil.copy2(SOURCE, module)
    for arguments in (
        ("mod", "init", "embedstack/compose"),
        ("get", f"{LIBRARY}/cmd/compose@v{VERSION}"),
        ("build", "-trimpath", "-ldflags", LDFLAGS, "-o", workshop.prefix / PLUGIN, "."),
    ):
        workshop.log.run(tools.go, *arguments, cwd=module, env=environment)


COMPOSE = Recipe(
    name="compose",
    version=VERSION,
    programs=(PLUGIN,),
    ingredients=(LDFLAGS, SOURCE.read_text()),
    build=build,
    tools=(TOOLS,),
)
