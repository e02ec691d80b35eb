"""`embedstack model advise`: which model at which precision this machine can run, why, and how fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from embedstack.deploy.advice import followable
from embedstack.deploy.bridge_client import Access
from embedstack.deploy.console import Report
from embedstack.deploy.errors import DeployError
from embedstack.deploy.machine import gpu as gpus
from embedstack.deploy.machine import memory
from embedstack.deploy.machine.gpu import Gpu
from embedstack.deploy.machine.memory import WEBUI, Memory
from embedstack.deploy.models import chat, speed
from embedstack.deploy.models.chat import gb
from embedstack.deploy.models.speed import DEMO, SeenSpeed
from embedstack.deploy.ollama.server import Ollama, RunningModel
from embedstack.deploy.plan.decide import needed
from embedstack.deploy.plan.plan import local
from embedstack.deploy.settings import Settings
from embedstack.models import catalog
from embedstack.models.catalog import Catalog, Model, ModelFile

DEFAULT = "qwen3-embedding:4b"
WIDE = "Q8_0"
ENOUGH = 100.0  # tokens a second: a chunk of Open WebUI, some 250 tokens, in two and a half seconds
CHUNK = 250  # tokens

Place = Literal["GPU", "memory", "none"]
Origin = Literal["measured", "estimated", "unknown"]
NOTHING_FITS = 3


@dataclass(frozen=True)
class FreeMemory:
    """Bytes that a model may take on the GPU, None without one, and in the machine's memory."""

    gpu: int | None
    memory: int


@dataclass(frozen=True)
class AdvisedFile:
    """One file of the catalogue on this machine.

    Attributes:
        needed_bytes: with `num_ctx` tokens of context.
        place: where all of it fits, the GPU before the machine's memory.
        speed: whether `tokens_per_second` was measured with this very model, or follows from another measurement.
    """

    model: str
    precision: str
    bytes: int
    num_ctx: int
    needed_bytes: int
    place: Place
    tokens_per_second: float | None
    speed: Origin
    advised: bool = False


@dataclass(frozen=True)
class ModelAdvice:
    """`model` None where nothing fits; `exit_code` is NOTHING_FITS then.

    Attributes:
        reasons: why this one, a sentence each.
        command: what brings it up.
        gpu: what the GPU is called, None without one.
        measured: what the speeds come from, "" where none was measured.
        chat: a chat model that fits beside it, None where none does.
    """

    model: str | None
    precision: str | None
    reasons: tuple[str, ...]
    command: str
    gpu: str | None
    gpu_bytes: int | None
    memory_bytes: int
    measured: str
    chat: str | None
    files: tuple[AdvisedFile, ...]
    exit_code: int = 0

    def __rich__(self) -> Group:
        head = f"{self.model} at {self.precision}" if self.model else "No model of the catalogue fits this machine"
        lines = [Text(head, "bold"), *(Text(followable(f"- {reason}")) for reason in self.reasons)]
        if self.command:
            lines += [Text(), Text(followable(f"`{self.command}` brings it up."))]
        return Group(*lines, "", self._table(), "", *(Text(followable(note), "dim") for note in self._notes()))

    def _table(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("model", "precision", "file", "needs", "fits", "tokens/s"):
            right = column in ("file", "needs", "tokens/s")
            table.add_column(column, justify="right" if right else "left", no_wrap=True)
        for file in self.files:
            style = "bold" if file.advised else "dim" if file.place == "none" else ""
            fits = {"GPU": "on the GPU", "memory": "in memory", "none": "no"}[file.place]
            sizes = (gb(file.bytes), gb(file.needed_bytes))
            table.add_row(file.model, file.precision, *sizes, fits, _speed(file), style=style)
        return table

    def _notes(self) -> Iterator[str]:
        yield f"needs: the file, {self.files[0].num_ctx:,} tokens of context and a buffer." if self.files else ""
        if self.measured:
            yield f"tokens/s: from {self.measured}; ~ is an estimate, by the number of parameters."
        else:
            yield "tokens/s: nothing was measured; `embedstack model advise --measure` takes some seconds for it."
        if self.chat:
            yield f"Beside it there is room for the chat model {self.chat}."


def _speed(file: AdvisedFile) -> str:
    if file.tokens_per_second is None:
        return "?"
    return f"{'~' if file.speed == 'estimated' else ''}{file.tokens_per_second:,.3g}"


def advise(
    settings: Settings, access: Access, ollama_url: str, report: Report, *, measure: bool | None = None
) -> ModelAdvice:
    """`measure`: None takes what runs already, True measures the processor where nothing does, False nothing at all.
    WrongCatalog.
    """
    known = catalog.load(settings.model.catalog)
    gpu = None if settings.engine.cpu else gpus.look().roomiest
    loaded = _loaded(ollama_url)
    pace = None
    if measure is not False:
        pace = speed.served(known, access, ollama_url, loaded, report, gpu, vllm=settings.engine.kind == "vllm")
    if pace is None and measure:
        with report.step("multiplying matrices"):
            pace = speed.multiplied()
    seen = memory.look()
    room = _room(seen, gpu, loaded, webui=settings.webui.enabled)
    return decide(known, room, pace, gpu, seen, num_ctx=settings.model.num_ctx, webui=settings.webui.enabled)


def _room(seen: Memory, gpu: Gpu | None, loaded: Sequence[RunningModel], *, webui: bool) -> FreeMemory:
    """What the engine has loaded on the GPU it would give back."""
    given_back = sum(model.size_vram for model in loaded)
    on_gpu = None if gpu is None else min(gpu.total, gpu.usable + (given_back if gpu.free is not None else 0))
    return FreeMemory(on_gpu, seen.available - (WEBUI if webui else 0))


def _loaded(url: str) -> tuple[RunningModel, ...]:
    if not local(url):
        return ()
    try:
        with Ollama(url) as ollama:
            return ollama.loaded()
    except DeployError:
        return ()


def decide(
    known: Catalog,
    room: FreeMemory,
    pace: SeenSpeed | None,
    gpu: Gpu | None,
    seen: Memory,
    *,
    num_ctx: int | None = None,
    webui: bool = True,
) -> ModelAdvice:
    """The table, and the choice from it. Pure."""
    models = {model.id: model for model in known.models.values() if model.id != DEMO}
    files = tuple(_file(model, file, room, pace, num_ctx) for model in models.values() for file in _sound(model))
    chosen = _choose(models, files, room)
    facts = _facts(room, gpu, seen, webui=webui)
    left = _left(chosen, room) if chosen else None
    return ModelAdvice(
        model=chosen.model if chosen else None,
        precision=chosen.precision if chosen else None,
        reasons=(facts, *(_reasons(models, chosen, files) if chosen else _too_small(files))),
        command=_command(models[chosen.model], chosen) if chosen else "",
        gpu=gpu.name if gpu else None,
        gpu_bytes=room.gpu,
        memory_bytes=room.memory,
        measured=pace.source if pace else "",
        chat=left.name if left else None,
        files=tuple(replace(file, advised=file is chosen) for file in files),
        exit_code=0 if chosen else NOTHING_FITS,
    )


def _sound(model: Model) -> Iterator[ModelFile]:
    return (file for file in model.files if file.selectable and not model.unsound_as(file.quantisation))


def _file(model: Model, file: ModelFile, room: FreeMemory, pace: SeenSpeed | None, num_ctx: int | None) -> AdvisedFile:
    context = num_ctx or model.context.recommended
    need = needed(model, file, context, flash_attention=True)
    place: Place = "none"
    if room.gpu is not None and need <= room.gpu:
        place = "GPU"
    elif need <= room.memory:
        place = "memory"
    rate, origin = _rate(model, file, place, pace)
    return AdvisedFile(model.id, file.quantisation, file.bytes or 0, context, need, place, rate, origin)


def _rate(model: Model, file: ModelFile, place: Place, pace: SeenSpeed | None) -> tuple[float | None, Origin]:
    """A processor's speed says nothing of a GPU's; else the arithmetic grows with the parameters."""
    if pace is None or not model.parameters or place == "none" or pace.on_gpu != (place == "GPU"):
        return None, "unknown"
    if pace.exact == (model.id, file.quantisation):
        return pace.tokens_per_second, "measured"
    return pace.tokens_per_second * pace.parameters / model.parameters, "estimated"


def _choose(models: Mapping[str, Model], files: Sequence[AdvisedFile], room: FreeMemory) -> AdvisedFile | None:
    """On a GPU the largest up to the default model; on a processor the largest of those that is quick, else the
    smallest. Then the wider precision, where that leaves half of the room.
    """
    fits = [file for file in files if file.place == "GPU"] or [file for file in files if file.place == "memory"]
    if not fits:
        return None
    by_size = sorted({file.model for file in fits}, key=lambda name: models[name].parameters or 0)
    if fits[0].place == "memory":
        quick = {file.model for file in fits if (file.tokens_per_second or 0) >= ENOUGH}
        by_size = [name for name in by_size if name in quick] or by_size[:1]
    most = models[DEFAULT].parameters or 0
    wanted = next((name for name in reversed(by_size) if (models[name].parameters or 0) <= most), by_size[0])
    of_it = {file.precision: file for file in fits if file.model == wanted}
    whole = room.gpu if fits[0].place == "GPU" else room.memory
    wide = of_it.get(WIDE)
    if wide is not None and 2 * wide.needed_bytes <= (whole or 0):
        return wide
    return of_it.get(models[wanted].default_quantisation) or max(of_it.values(), key=lambda file: file.bytes)


def _facts(room: FreeMemory, gpu: Gpu | None, seen: Memory, *, webui: bool) -> str:
    kept = f", {gb(WEBUI)} of them kept for Open WebUI" if webui else ""
    memory_here = f"{gb(seen.available)} of {gb(seen.total)} of memory are available{kept}"
    if gpu is None or room.gpu is None:
        return f"No GPU is used; {memory_here}."
    return f"{gpu.name} has {gb(room.gpu)} of {gb(gpu.total)} for it; {memory_here}."


def _reasons(models: Mapping[str, Model], chosen: AdvisedFile, files: Sequence[AdvisedFile]) -> Iterator[str]:
    model = models[chosen.model]
    where = "on the GPU" if chosen.place == "GPU" else "in memory"
    yield f"It needs {gb(chosen.needed_bytes)} {where}, with {chosen.num_ctx:,} tokens of context."
    yield from _against_larger(models, model, chosen, files)
    if model.reference and {chosen.precision, model.default_quantisation} <= set(model.reference.tolerances):
        near = model.reference.tolerances[chosen.precision]
        yield f"At {chosen.precision} its scores are taken for right within {near} of the published ones."
    if chosen.tokens_per_second and chosen.tokens_per_second < ENOUGH:
        seconds = CHUNK / chosen.tokens_per_second
        yield f"Even so it is slow here: a chunk of {CHUNK} tokens takes some {seconds:,.0f} s. A GPU would help."


def _against_larger(
    models: Mapping[str, Model], model: Model, chosen: AdvisedFile, files: Sequence[AdvisedFile]
) -> Iterator[str]:
    """The next larger one: what it would gain, and what stands against it."""
    larger = [one for one in models.values() if (one.parameters or 0) > (model.parameters or 0)]
    if not larger:
        return
    other = min(larger, key=lambda one: one.parameters or 0)
    gain = f" ({other.mmteb} on MMTEB, against {model.mmteb})" if other.mmteb and model.mmteb else ""
    times = (other.parameters or 0) / (model.parameters or 1)
    row = next(file for file in files if file.model == other.id)
    rate = max((file.tokens_per_second or 0 for file in files if file.model == other.id), default=0)
    if all(file.place == "none" for file in files if file.model == other.id):
        yield f"{other.id}{gain} does not fit: {gb(row.needed_bytes)} at {row.precision}."
    elif chosen.place == "memory" and rate:
        yield f"{other.id}{gain} would do some {rate:,.3g} tokens a second here; {ENOUGH:.0f} are wanted."
    else:
        yield f"{other.id}{gain} computes {times:.1f} times as much for each text."


def _too_small(files: Sequence[AdvisedFile]) -> Iterator[str]:
    if files:
        least = min(files, key=lambda file: file.needed_bytes)
        yield f"The least is {least.model} at {least.precision}: {gb(least.needed_bytes)}. End something large first."


def _left(chosen: AdvisedFile, room: FreeMemory) -> chat.ChatModel | None:
    on_gpu = chosen.place == "GPU"
    whole = room.gpu if on_gpu and room.gpu is not None else room.memory
    return chat.propose(whole - chosen.needed_bytes, on_gpu=on_gpu)


def _command(model: Model, chosen: AdvisedFile) -> str:
    precision = () if chosen.precision == model.default_quantisation else ("--quantisation", chosen.precision)
    return " ".join([f"embedstack up --model {chosen.model}", *precision])
