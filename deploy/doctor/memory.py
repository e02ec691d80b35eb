"""Whether the model fits the machine's memory, or the GPU's. Pure."""

from collections.abc import Iterator, Sequence
from itertools import chain, combinations

from embedstack.deploy.advice import Words
from embedstack.deploy.doctor.finding import Finding, gib
from embedstack.deploy.machine.gpu import Gpu
from embedstack.deploy.machine.memory import WEBUI, Memory
from embedstack.deploy.ollama.server import RunningModel, same_name
from embedstack.deploy.plan.decide import Fit, fit, needed, unknown
from embedstack.deploy.plan.plan import Plan
from embedstack.models import catalog
from embedstack.models.catalog import NotInCatalog
from embedstack.models.model import Model, ModelFile

LEAST_CONTEXT = 2048  # tokens
SMALLEST = "qwen3-embedding:0.6b"
_NO_WEBUI, _LESS, _SMALLER = ("--no-webui",), ("--num-ctx", str(LEAST_CONTEXT)), ("--model", SMALLEST)


def check_ram(plan: Plan, memory: Memory, *, on_gpu: bool, running: bool) -> Iterator[Finding]:
    """`on_gpu`: the weights go there. `running`: the stack does, and has its share already."""
    if running or plan.engine.elsewhere:
        return
    total = _total(plan, (), on_gpu=on_gpu)
    if total > memory.available:
        yield Finding(
            "MEMORY-SHORT",
            "blocker" if total > memory.total else "warning",
            "There is too little memory",
            f"The stack needs about {gib(total)}; {gib(memory.available)} of {gib(memory.total)} are available.",
            "The machine swaps, or the kernel ends a process of its own choice.",
            f"End something large{_what_fits(plan, memory.available, on_gpu=on_gpu)}.",
        )


def _what_fits(plan: Plan, available: int, *, on_gpu: bool) -> str:
    """The fewest flags that make the stack small enough, and every choice of them."""
    ways: list[Words] = [_NO_WEBUI] * plan.settings.webui.enabled
    if not on_gpu:
        ways += [_LESS] * (plan.num_ctx > LEAST_CONTEXT)
        ways += [_SMALLER] * (_smaller(plan) is not None)
    for count in range(1, len(ways) + 1):
        some = [flags for flags in combinations(ways, count) if _total(plan, flags, on_gpu=on_gpu) <= available]
        if some:
            message = " or ".join(f"`{' '.join(chain(*flags))}`" for flags in some)
            return f", or take what fits: {message}"
    return "; no smaller stack would fit either"


def _total(plan: Plan, flags: Sequence[Words], *, on_gpu: bool) -> int:
    """Bytes that the stack needs with these flags."""
    webui = WEBUI if plan.settings.webui.enabled and _NO_WEBUI not in flags else 0
    if on_gpu:
        return webui
    smaller = _smaller(plan) if _SMALLER in flags else None
    model, file = smaller or (plan.model, plan.file)
    recommended = model.context.recommended if smaller else plan.num_ctx
    num_ctx = LEAST_CONTEXT if _LESS in flags else plan.settings.model.num_ctx or recommended
    return webui + needed(model, file, num_ctx, flash_attention=True)


def _smaller(plan: Plan) -> tuple[Model, ModelFile] | None:
    """The smallest model and its file, where that is another one; None too where it has no such quantisation."""
    model = catalog.load().find(SMALLEST).model
    if (model.parameters or 0) >= (plan.model.parameters or 0):
        return None
    try:
        return model, model.file(plan.settings.model.quantisation)
    except NotInCatalog:
        return None


def on_gpu_whole(name: str, num_ctx: int, loaded: Sequence[RunningModel]) -> bool:
    """Whether it is loaded with that context, all of it on a GPU: what can be seen to fit need not be reckoned."""
    return any(
        same_name(model.name, name)
        and 0 < model.size <= model.size_vram
        and (model.context is None or model.context >= num_ctx)
        for model in loaded
    )


def check_vram(plan: Plan, gpu: Gpu | None, *, loaded: int, flash_attention: bool) -> Iterator[Finding]:
    """`loaded`: bytes of the GPU that the engine's models have already, and would give back."""
    if gpu is None or plan.settings.engine.cpu or plan.engine.elsewhere or plan.engine.kind != "ollama":
        return
    room = gpu.usable + loaded
    found = fit(plan.model, plan.file, room, plan.num_ctx, flash_attention)
    seen = f"{gpu.name} has {gib(room)} for it of {gib(gpu.total)}"
    if not found.as_wanted:
        yield _stepped(plan, found, seen) if _same_file(plan, found) else _short(plan, found, seen)
    if missing := unknown(plan.model):
        yield Finding(
            "VRAM-UNKNOWN",
            "note",
            "The need of GPU memory is reckoned too low",
            f"For {plan.model.id} the catalogue does not know {' and '.join(missing)}; {seen}.",
            f"It needs more than the {gib(found.needed_bytes)} that could be reckoned.",
            "After `up`, `embedstack doctor` tells whether all of it went to the GPU.",
        )


def _same_file(plan: Plan, found: Fit) -> bool:
    return found.fits and found.quantisation == plan.file.quantisation


def _stepped(plan: Plan, found: Fit, seen: str) -> Finding:
    first = found.steps[0]
    return Finding(
        "VRAM-CONTEXT",
        "warning",
        "The context does not fit the GPU's memory",
        f"{plan.model.id} at {first.quantisation} needs {gib(first.needed_bytes)} with num_ctx {first.num_ctx}; "
        f"{seen}. With {found.num_ctx} it is {gib(found.needed_bytes)}.",
        "A part of the model would go to the CPU, several times slower.",
        f"`--num-ctx {found.num_ctx}`: longer texts are then refused, never cut.",
    )


def _short(plan: Plan, found: Fit, seen: str) -> Finding:
    first, last = found.steps[0], found.steps[-1]
    other = f"`--quantisation {last.quantisation} --num-ctx {last.num_ctx}` fits. " if found.fits else ""
    smaller = f"take a smaller model (`--model {SMALLEST}`), " if _smaller(plan) else ""
    return Finding(
        "VRAM-SHORT",
        "blocker",
        "The model does not fit the GPU's memory",
        f"{plan.model.id} at {first.quantisation} needs {gib(first.needed_bytes)} with num_ctx {first.num_ctx}; "
        f"{seen}. The least that was tried is {last.quantisation} with {last.num_ctx}: {gib(last.needed_bytes)}.",
        "A part of the model would go to the CPU, several times slower, or loading it would fail.",
        f"{other}Free some of it (`nvidia-smi` tells who has it), {smaller}or `--cpu` if slow is good enough.",
    )
