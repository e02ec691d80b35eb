"""What was seen of this machine, handed to the checks: each looks up the rest of its facts itself."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.doctor import ollama
from embedstack.deploy.doctor.ollama import OllamaFacts
from embedstack.deploy.machine.gpu import Gpu, Gpus
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.state import PartState


@dataclass(frozen=True)
class Machine:
    """Facts that several checks need.

    Attributes:
        daemon: None where Docker was not asked.
        ollama: the one that runs, else the one that would be started; None where there is none.
        parts: of this stack, as they are now.
        served: model and precision that the stack was last brought up with, None where it never was.
    """

    places: Places
    gpus: Gpus = field(default_factory=Gpus)
    daemon: Daemon | None = None
    ollama: OllamaFacts | None = None
    parts: tuple[PartState, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    served: tuple[str, str] | None = None

    @property
    def running(self) -> bool:
        return any(part.state == "running" for part in self.parts)

    @property
    def gpu(self) -> Gpu | None:
        return self.gpus.roomiest

    @property
    def flash_attention(self) -> bool:
        """Ollama leaves it to llama.cpp unless this variable switches it off."""
        return self.environ.get("OLLAMA_FLASH_ATTENTION", "").lower() not in ("0", "false")

    def runs(self, part: str) -> bool:
        return any(state.name == part and state.state == "running" for state in self.parts)


def look(plan: Plan, where: Places, gpus: Gpus, daemon: Daemon | None, parts: tuple[PartState, ...]) -> Machine:
    """`gpus` and `daemon` as they were seen for the plan, `parts` as they are now."""
    runs = any(part.name == "ollama" and part.state == "running" for part in parts)
    asked = daemon if plan.mode == "docker" else None
    return Machine(where, gpus, asked, ollama.find(plan.engine, runs=runs), parts, os.environ)
