"""An Ollama as it is found: one that answers, or one that would be started."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from embedstack.deploy.errors import DeployError, EngineNotUsable
from embedstack.deploy.ollama import locate, server
from embedstack.deploy.ollama.server import RunningModel
from embedstack.deploy.plan.plan import PlannedEngine


@dataclass(frozen=True)
class OllamaFacts:
    """What is known of it.

    Attributes:
        url: where it answers, None where it does not run.
        version: what it calls itself, "" where it does not tell.
        program: what would be started, None for one that the stack does not start.
        llama_server: beside the program, None where there is none.
        models: that are in it, by name.
        loaded: models in memory.
        bridge: whether it is none, but a bridge, which answers as Ollama does.
    """

    url: str | None = None
    version: str = ""
    program: Path | None = None
    llama_server: Path | None = None
    models: tuple[str, ...] = ()
    loaded: tuple[RunningModel, ...] = ()
    bridge: bool = False

    @property
    def where(self) -> str:
        return str(self.program) if self.program else f"The Ollama at {self.url}"

    @property
    def library(self) -> Path | None:
        """Where its llama-server should be."""
        return self.program and (self.program.resolve().parent / locate.HELPER_PLACES[0]).resolve()


def find(engine: PlannedEngine, *, runs: bool) -> OllamaFacts | None:
    """The Ollama that the stack uses. `runs`: the stack's own does already."""
    if engine.kind != "ollama" or engine.url is None:
        return None
    there = running(engine.url) if runs or not engine.managed else None
    if not engine.managed or engine.program is None:
        return there
    program = installed(engine.program)
    return program if there is None else replace(program, models=there.models, loaded=there.loaded)


def running(url: str) -> OllamaFacts | None:
    """The one that answers at `url`, with what it has loaded; None where none does."""
    with server.Ollama(url) as asked:
        try:
            version = asked.version()
            models = tuple(model.name for model in asked.models())
            return OllamaFacts(url=url, version=version, models=models, loaded=asked.loaded())
        except EngineNotUsable:
            return OllamaFacts(url=url, bridge=True)
        except DeployError:
            return None


def installed(program: Path) -> OllamaFacts:
    version = ""
    with suppress(EngineNotUsable):
        version = locate.program_version(program)
    return OllamaFacts(version=version, program=program, llama_server=locate.helper(program))
