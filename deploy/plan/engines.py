"""Which engine a native stack uses, and why; and how vLLM 0.32 is started to embed, the same in both modes. Pure: what
there is was found by deploy/stack/planning.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel
from embedstack.deploy.settings import Settings
from embedstack.extras import Missing
from embedstack.host.addresses import LOOPBACK
from embedstack.models.model import Model

INSTALL_OLLAMA = "Install Ollama (https://ollama.com/download), or start the one that you have: `ollama serve`."
SMALL = 100_000_000  # parameters that a CPU embeds with at once: the demo model has 24 million


@dataclass(frozen=True)
class Facts:
    """What was found.

    Attributes:
        url: where an Ollama was looked for.
        version: what the Ollama there says it is, None where none answers.
        bridge: whether a bridge answers there, which is none, though it answers as one.
        named: what named the address: engine.url, OLLAMA_HOST, or "" for the stack's own.
        ours: whether that one is a part of this very stack.
        ollama, vllm: programs that are installed.
        gpu: what the GPU is called, None where there is none that an engine could use.
        metal: whether it is Apple's, which llama.cpp inside the bridge uses as well.
        lacking: what llama.cpp inside the bridge needs and is not installed, None where all is.
    """

    url: str
    version: str | None = None
    ours: bool = False
    ollama: Path | None = None
    vllm: Path | None = None
    gpu: str | None = None
    metal: bool = False
    bridge: bool = False
    named: str = ""
    lacking: Missing | None = None


@dataclass(frozen=True)
class Blocker:
    """Why no engine can be chosen, and what to do."""

    message: str
    advice: str


def choose(settings: Settings, model: Model, facts: Facts) -> PlannedEngine | Blocker:
    """The engine, with the reason for it."""
    match settings.engine.kind:
        case "embedded":
            if facts.lacking:
                return Blocker(facts.lacking.message, facts.lacking.advice)
            return PlannedEngine("embedded", True, "as asked for: llama.cpp inside the bridge")
        case "vllm":
            return vllm(settings, facts)
        case "ollama":
            return bridge(settings, facts) or _ollama(settings, facts) or Blocker(_no_ollama(facts), INSTALL_OLLAMA)
        case "auto":
            return bridge(settings, facts) or _ollama(settings, facts) or _embedded(settings, model, facts)


def bridge(settings: Settings, facts: Facts) -> Blocker | None:
    """A bridge at an address named for an Ollama that is wanted; one that is there by chance is as no Ollama."""
    if not facts.bridge or not facts.named or settings.engine.kind not in ("auto", "ollama"):
        return None
    return Blocker(
        f"{facts.named} names {facts.url}, which is a bridge, not an Ollama.",
        f"Name the Ollama behind it in {facts.named}, or take it out.",
    )


def _ollama(settings: Settings, facts: Facts) -> PlannedEngine | None:
    if facts.version is not None and not facts.ours:
        return PlannedEngine("ollama", False, f"an Ollama {facts.version} runs at {facts.url}", facts.url, facts.ollama)
    # One that was named, and does not answer, is not replaced by another; the stack's own is not another.
    if (settings.engine.url is not None and not facts.ours) or facts.ollama is None:
        return None
    url = f"http://{LOOPBACK}:{settings.ports.ollama}"
    return PlannedEngine("ollama", True, f"Ollama is installed: {facts.ollama}", url, facts.ollama)


def _embedded(settings: Settings, model: Model, facts: Facts) -> PlannedEngine | Blocker:
    if settings.engine.url is not None and not facts.ours:
        return Blocker(_no_ollama(facts), "Start it, or take engine.url out of the settings.")
    small = (model.parameters or 0) < SMALL
    if facts.gpu and not facts.metal and not small and not settings.engine.cpu:
        return Blocker(
            f"This machine has a GPU ({facts.gpu}) and no engine that would use it: {model.id} would run on the CPU.",
            f"{INSTALL_OLLAMA} To use the CPU all the same: --cpu.",
        )
    if facts.lacking:
        return Blocker(f"{_no_ollama(facts)} {facts.lacking.message}", f"{INSTALL_OLLAMA} Or: {facts.lacking.advice}")
    if facts.metal:
        where = f", on the {facts.gpu}"
    else:
        where = "" if small else ", on the CPU: expect seconds for a page of text"
    return PlannedEngine("embedded", True, f"no Ollama is here; llama.cpp inside the bridge{where}")


def vllm(settings: Settings, facts: Facts) -> PlannedEngine | Blocker:
    """A vLLM that could be started."""
    program = settings.vllm.program or facts.vllm
    if program is None:
        return Blocker(
            "vLLM is asked for, and there is no program `vllm` on PATH.",
            "Install vLLM 0.32 in an environment of its own, and name it: "
            "`embedstack config set vllm.program /path/to/bin/vllm`.",
        )
    if facts.gpu is None and not settings.engine.cpu:
        return Blocker(
            "vLLM is asked for, and no GPU was found that it could use.",
            "Repair the driver (`nvidia-smi` must list the GPU), or use the CPU all the same: --cpu.",
        )
    where = facts.gpu if facts.gpu and not settings.engine.cpu else "the CPU"
    url = f"http://{LOOPBACK}:{settings.ports.vllm}"
    return PlannedEngine("vllm", True, f"as asked for: vLLM on {where}", url, program)


def _no_ollama(facts: Facts) -> str:
    return f"No Ollama answers at {facts.url}, and none was found that could be started."


ALONE, BESIDE = 0.9, 0.45  # share of the GPU's memory, alone and beside Ollama
SIZES = (32, 64, 128, 256, 512, 768, 1024, 1536, 2048, 2560, 4096)  # what clients cut vectors to


def vllm_memory(plan: Plan) -> float:
    """The share of the GPU's memory that vLLM may take."""
    return plan.settings.vllm.gpu_memory or (BESIDE if plan.beside else ALONE)


def overrides(served: PlannedModel) -> str:
    """--hf-overrides: without them it refuses `dimensions`, though the model was trained for them."""
    sizes = [size for size in SIZES if served.model.min_dimensions <= size <= served.model.dimensions]
    return json.dumps({"is_matryoshka": True, "matryoshka_dimensions": sizes}, separators=(",", ":"))
