"""`embedstack model show` and `list`: what the catalogue knows of its models, what is on this disk, and what an Ollama
says.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from embedstack.deploy.errors import EngineRefused
from embedstack.deploy.hub.fetch import on_disk
from embedstack.deploy.hub.source import Source
from embedstack.deploy.models.files import named
from embedstack.deploy.ollama.server import Ollama, same_name
from embedstack.deploy.plan.plan import name_in_engine
from embedstack.models import catalog
from embedstack.models.demo.build import GGUF, default_folder
from embedstack.models.model import Model, ModelFile


@dataclass(frozen=True)
class InOllama:
    """A model as an Ollama has it.

    Attributes:
        same: whether its weights are, byte for byte, the catalogue's file.
        loaded: bytes of it in memory, 0 where it is not loaded; `on_gpu` of them on a GPU.
    """

    url: str
    digest: str
    capabilities: tuple[str, ...]
    num_ctx: str | None
    num_batch: str | None
    same: bool
    loaded: int
    on_gpu: int


@dataclass(frozen=True)
class ShownModel:
    """A model; `ollama` None where it is not in one, and `reason` why."""

    model: str
    name: str
    quantisation: str
    dimensions: int
    num_ctx: int
    trained: int
    file: str
    bytes: int | None
    sha256: str | None
    ollama: InOllama | None
    reason: str
    note: str

    def __rich__(self) -> Group:
        size = "of unknown size" if self.bytes is None else f"{self.bytes / 1e9:.2f} GB"
        rows = [
            ("model", f"{self.model} at {self.quantisation}, in Ollama {self.name}"),
            ("vectors", f"{self.dimensions} numbers"),
            ("context", f"{self.num_ctx} tokens advised, {self.trained} trained"),
            ("file", f"{self.file} ({size})"),
            ("sha256", self.sha256 or "not known"),
            *(_rows(self.ollama) if self.ollama else [("ollama", self.reason)]),
            *([("note", self.note)] if self.note else []),
        ]
        return Group(*(Text(f"{name:<10}{value}", no_wrap=True, overflow="ignore") for name, value in rows))


def show(name: str, quantisation: str | None, url: str, own: Path | None = None) -> ShownModel:
    """No Ollama that answers is not an error: the catalogue's part is reported all the same. CatalogError."""
    model, file = named(catalog.load(own), name, quantisation)
    called = name_in_engine(model, file)
    try:
        there = _ask(called, file, url)
        reason = "" if there else f"the one at {url} does not have it"
    except EngineRefused as error:
        there, reason = None, error.message
    return _shown(model, file, called, there, reason)


def _ask(name: str, file: ModelFile, url: str) -> InOllama | None:
    with Ollama(url) as server:
        shown, digest = server.show(name), server.digest(name)
        if shown is None or digest is None:
            return None
        loaded = next((model for model in server.loaded() if same_name(model.name, name)), None)
    return InOllama(
        url=url,
        digest=digest,
        capabilities=shown.capabilities,
        num_ctx=shown.parameters.get("num_ctx"),
        num_batch=shown.parameters.get("num_batch"),
        same=shown.blobs == (file.sha256,),
        loaded=loaded.size if loaded else 0,
        on_gpu=loaded.size_vram if loaded else 0,
    )


def _shown(model: Model, file: ModelFile, name: str, there: InOllama | None, reason: str) -> ShownModel:
    return ShownModel(
        model=model.id,
        name=name,
        quantisation=file.quantisation,
        dimensions=model.dimensions,
        num_ctx=model.context.recommended,
        trained=model.context.trained,
        file=file.file,
        bytes=file.bytes,
        sha256=file.sha256,
        ollama=there,
        reason=reason,
        note=model.note or "",
    )


def _rows(there: InOllama) -> list[tuple[str, str]]:
    weights = "the very file" if there.same else "another blob than the file: Ollama rewrote it, or it is another"
    loaded = f"{there.loaded / 1e9:.2f} GB, {there.on_gpu / 1e9:.2f} of them on a GPU" if there.loaded else "no"
    context = f"num_ctx {there.num_ctx or 'not set'}, num_batch {there.num_batch or 'not set'}"
    return [
        ("ollama", f"{there.url}, digest {there.digest[:12]}"),
        ("", f"can {', '.join(there.capabilities) or 'nothing'}; {context}"),
        ("weights", weights),
        ("loaded", loaded),
    ]


@dataclass(frozen=True)
class ListedFile:
    """One file.

    Attributes:
        name: what to ask for.
        default: whether the model's name alone means it.
        path: where it lies on this disk, by its place and size; None where it is not here.
        reason: why it cannot be chosen, None where it can.
        sound: which precisions of the model can be trusted, None where all of them can.
    """

    model: str
    name: str
    quantisation: str
    dimensions: int
    bytes: int | None
    default: bool
    selectable: bool
    path: Path | None
    reason: str | None
    sound: str | None = None


@dataclass(frozen=True)
class Models:
    """All of them, and the cache folder in which they were looked for."""

    cache: Path
    files: tuple[ListedFile, ...]

    def __rich__(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("model", "precision", "size", "dimensions", "here"):
            table.add_column(column, justify="right" if column in ("size", "dimensions") else "left", overflow="fold")
        for file in self.files:
            style = "" if file.selectable else "dim"
            precision = f"{file.quantisation}{' *' if file.default else ''}"
            table.add_row(file.model, precision, _size(file), str(file.dimensions), _state(file), style=style)
        notes = [f"{file.name} cannot be chosen: {file.reason}" for file in self.files if not file.selectable]
        sound = dict.fromkeys((file.model, file.sound) for file in self.files if file.sound)
        notes += [f"{model}: {entry}" for model, entry in sound]
        return Group(
            table, "", Text("* what the model's name alone means"), *(Text(note, style="dim") for note in notes)
        )


def models(source: Source, own: Path | None = None) -> Models:
    """Everything that the catalogue knows. No file is read for it. WrongCatalog."""
    known = catalog.load(own).models.values()
    files = [_listed(model, file, source) for model in known for file in model.files]
    return Models(source.folder, tuple(files))


def _listed(model: Model, file: ModelFile, source: Source) -> ListedFile:
    default = file.quantisation == model.default_quantisation
    return ListedFile(
        model=model.id,
        name=model.id if default else f"{model.id} --quantisation {file.quantisation}",
        quantisation=file.quantisation,
        dimensions=model.dimensions,
        bytes=file.bytes,
        default=default,
        selectable=file.selectable,
        path=_demo() if model.id == "demo" else on_disk(file, source),
        reason=None if file.selectable else file.reason,
        sound=model.sound if model.unsound else None,
    )


def _demo() -> Path | None:
    """The demo model is built on this machine, into a folder of its own."""
    path = default_folder() / GGUF
    return path if path.is_file() else None


def _size(file: ListedFile) -> str:
    return "?" if file.bytes is None else f"{file.bytes / 1e9:.2f} GB"


def _state(file: ListedFile) -> str:
    if file.path is not None:
        return "yes"
    return "no" if file.selectable else "-"
