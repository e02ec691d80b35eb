"""Whether the model fits the machine's memory, or the GPU's. Pure but for `look`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil

from deploy.doctor.finding import Finding
from deploy.doctor.fit import Fit, fit, needed, unknown
from deploy.doctor.gpu import Gpu
from deploy.doctor.intent import Intent
from deploy.doctor.size import gib
from deploy.ollama.server import Loaded, same_name

WEBUI = 1_000_000_000  # bytes; Open WebUI 0.12.4 was seen with 0.8 GB resident


@dataclass(frozen=True)
class Memory:
    """Bytes of the machine."""

    total: int
    available: int


def look() -> Memory:
    found = psutil.virtual_memory()
    return Memory(found.total, found.available)


def check_ram(intent: Intent, memory: Memory, *, on_gpu: bool, running: bool) -> Iterator[Finding]:
    """`on_gpu`: the weights go there. `running`: the stack does, and has its share already."""
    if running or intent.elsewhere:
        return
    weights = 0 if on_gpu else needed(intent.model, intent.file, intent.num_ctx, flash_attention=True)
    total = weights + (WEBUI if intent.settings.webui.enabled else 0)
    if total > memory.available:
        yield Finding(
            "MEMORY-SHORT",
            "blocker" if total > memory.total else "warning",
            "There is too little memory",
            f"The stack needs about {gib(total)}; {gib(memory.available)} of {gib(memory.total)} are available.",
            "The machine swaps, or the kernel ends a process of its own choice.",
            "End something large, go without Open WebUI (`--no-webui`), or take a smaller context (`--num-ctx 2048`) "
            "or model (`--model qwen3-embedding:0.6b`).",
        )


def on_gpu_whole(name: str, num_ctx: int, loaded: Sequence[Loaded]) -> bool:
    """Whether it is loaded with that context, all of it on a GPU: what can be seen to fit need not be reckoned."""
    return any(
        same_name(model.name, name)
        and 0 < model.size <= model.size_vram
        and (model.context is None or model.context >= num_ctx)
        for model in loaded
    )


def check_vram(intent: Intent, gpu: Gpu | None, *, loaded: int, flash_attention: bool) -> Iterator[Finding]:
    """`loaded`: bytes of the GPU that the engine's models have already, and would give back."""
    if gpu is None or intent.settings.engine.cpu or intent.elsewhere or intent.engine.kind != "ollama":
        return
    room = gpu.usable + loaded
    found = fit(intent.model, intent.file, room, intent.num_ctx, flash_attention)
    seen = f"{gpu.name} has {gib(room)} for it of {gib(gpu.total)}"
    if not found.as_wanted:
        yield _stepped(intent, found, seen) if _same_file(intent, found) else _short(intent, found, seen)
    if missing := unknown(intent.model):
        yield Finding(
            "VRAM-UNKNOWN",
            "note",
            "The need of GPU memory is reckoned too low",
            f"For {intent.model.id} the catalogue does not know {' and '.join(missing)}; {seen}.",
            f"It needs more than the {gib(found.needed_bytes)} that could be reckoned.",
            "After `up`, `embedstack doctor` tells whether all of it went to the GPU.",
        )


def _same_file(intent: Intent, found: Fit) -> bool:
    return found.fits and found.quantisation == intent.file.quantisation


def _stepped(intent: Intent, found: Fit, seen: str) -> Finding:
    first = found.steps[0]
    return Finding(
        "VRAM-CONTEXT",
        "warning",
        "The context does not fit the GPU's memory",
        f"{intent.model.id} at {first.quantisation} needs {gib(first.needed_bytes)} with num_ctx {first.num_ctx}; "
        f"{seen}. With {found.num_ctx} it is {gib(found.needed_bytes)}.",
        "A part of the model would go to the CPU, several times slower.",
        f"`--num-ctx {found.num_ctx}`: longer texts are then refused, never cut.",
    )


def _short(intent: Intent, found: Fit, seen: str) -> Finding:
    first, last = found.steps[0], found.steps[-1]
    other = f"`--quantisation {last.quantisation} --num-ctx {last.num_ctx}` fits. " if found.fits else ""
    return Finding(
        "VRAM-SHORT",
        "blocker",
        "The model does not fit the GPU's memory",
        f"{intent.model.id} at {first.quantisation} needs {gib(first.needed_bytes)} with num_ctx {first.num_ctx}; "
        f"{seen}. The least that was tried is {last.quantisation} with {last.num_ctx}: {gib(last.needed_bytes)}.",
        "A part of the model would go to the CPU, several times slower, or loading it would fail.",
        f"{other}Free some of it (`nvidia-smi` tells who has it), take a smaller model "
        "(`--model qwen3-embedding:0.6b`), or `--cpu` if slow is good enough.",
    )
