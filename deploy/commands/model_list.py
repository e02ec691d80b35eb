"""`embedstack model list`: every model and file of the catalogue, and which of them are on this disk."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from embedstack.deploy.hub.fetch import on_disk
from embedstack.deploy.hub.source import Source
from embedstack.deploy.models.files import load
from embedstack.models.demo.build import GGUF, default_folder
from embedstack.models.model import Model, ModelFile


@dataclass(frozen=True)
class Listed:
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
    files: tuple[Listed, ...]

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
        notes += [f"{model}: {told}" for model, told in sound]
        return Group(
            table, "", Text("* what the model's name alone means"), *(Text(note, style="dim") for note in notes)
        )


def models(source: Source, own: Path | None = None) -> Models:
    """Everything that the catalogue knows. No file is read for it. InvalidModel for a catalogue that cannot be used."""
    known = load(own).models.values()
    files = [_listed(model, file, source) for model in known for file in model.files]
    return Models(source.folder, tuple(files))


def _listed(model: Model, file: ModelFile, source: Source) -> Listed:
    default = file.quantisation == model.default_quantisation
    return Listed(
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


def _size(file: Listed) -> str:
    return "?" if file.bytes is None else f"{file.bytes / 1e9:.2f} GB"


def _state(file: Listed) -> str:
    if file.path is not None:
        return "yes"
    return "no" if file.selectable else "-"
