"""Which services a stack has, and which overlays make compose.yaml into it. Pure."""

from __future__ import annotations

from typing import Literal

from embedstack.deploy.plan.plan import Plan

Gpu = Literal["nvidia", "cdi", "rocm"]


def overlays(plan: Plan, gpu: Gpu | None) -> tuple[str, ...]:
    """Names of the overlays, in the order in which they are laid over compose.yaml.

    `gpu` is how the daemon hands out a GPU, None for not at all: a reservation that it cannot meet is fatal.
    """
    chosen = [*_engine(plan, gpu), *_vllm(plan, gpu)]
    if plan.store is not None:
        chosen.append("external-store")
    return (*chosen, plan.own_store) if plan.own_store else tuple(chosen)


def services(plan: Plan) -> tuple[str, ...]:
    """What runs, by name; engines first."""
    ollama = ("ollama",) if plan.engine.kind == "ollama" and plan.engine.managed else ()
    vllm = ("vllm",) if plan.engine.kind == "vllm" or plan.beside else ()
    beside = ("bridge-bf16",) if plan.beside else ()
    return (*ollama, *vllm, "bridge", *beside, *_webui(plan))


def _webui(plan: Plan) -> tuple[str, ...]:
    if not plan.settings.webui.enabled:
        return ()
    return (plan.own_store, "open-webui") if plan.own_store else ("open-webui",)


def _engine(plan: Plan, gpu: Gpu | None) -> tuple[str, ...]:
    if plan.engine.kind == "vllm":
        return ()
    if plan.engine.kind == "embedded":
        return ("embedded",)
    if not plan.engine.managed:
        return ("external-ollama",)
    return (gpu,) if gpu and not plan.settings.engine.cpu else ()


def _vllm(plan: Plan, gpu: Gpu | None) -> tuple[str, ...]:
    if plan.engine.kind != "vllm" and plan.beside is None:
        return ()
    place = "vllm-beside" if plan.beside else "vllm-only"
    # vLLM's image for AMD is another one, with other arguments: images.vllm names it, and the user adds the devices.
    return ("vllm", f"vllm-{gpu}", place) if gpu in ("nvidia", "cdi") else ("vllm", place)
