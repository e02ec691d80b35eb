"""`embedstack model pull|verify|import|export|check`: the files of models, on this disk and away from it, and whether
an engine would make the right vectors of them.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.text import Text

from embedstack.deploy.console import Report
from embedstack.deploy.demo.model import DemoModel, demo
from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.gates.gate import accept
from embedstack.deploy.gates.verdict import GateVerdict, Severity
from embedstack.deploy.hub import transfer
from embedstack.deploy.hub.fetch import fetch, on_disk
from embedstack.deploy.hub.folder import fetch_folder
from embedstack.deploy.hub.source import Source
from embedstack.deploy.hub.verify import verify as verify_file
from embedstack.models import catalog
from embedstack.models.catalog import Catalog, CatalogError
from embedstack.models.demo.build import default_folder
from embedstack.models.model import Model, ModelFile


@dataclass(frozen=True)
class Pulled:
    """A verified file, or a folder of them, on this disk; `already` where nothing was fetched."""

    model: str
    precision: str
    path: Path
    bytes: int
    sha256: str | None
    already: bool
    note: str

    def __rich__(self) -> Group:
        rows = (
            ("model", f"{self.model} at {self.precision}{', already here' if self.already else ''}"),
            ("file" if self.sha256 else "folder", f"{self.path} ({self.bytes / 1e9:.2f} GB)"),
            *((("sha256", self.sha256),) if self.sha256 else ()),
            *((("note", self.note),) if self.note else ()),
        )
        return _rows(rows)


@dataclass(frozen=True)
class Checked:
    """A file that is, byte for byte, the catalogue's."""

    model: str
    quantisation: str
    path: Path
    bytes: int
    sha256: str

    def __rich__(self) -> Group:
        return _rows((("verified", f"{self.model} at {self.quantisation}"), *_file_rows(self.path, self.sha256)))


@dataclass(frozen=True)
class ImportedModel:
    """A file that now lies where a download would have put it."""

    model: str
    quantisation: str
    path: Path
    sha256: str
    already: bool

    def __rich__(self) -> Group:
        message = "was here already" if self.already else "imported"
        return _rows(((message, f"{self.model} at {self.quantisation}"), *_file_rows(self.path, self.sha256)))


@dataclass(frozen=True)
class ExportedModel:
    """A file and its catalogue entry, to be carried to a machine without a network."""

    model: str
    quantisation: str
    path: Path
    entry: Path
    sha256: str
    next: str

    def __rich__(self) -> Group:
        head = ("exported", f"{self.model} at {self.quantisation}")
        return _rows((head, *_file_rows(self.path, self.sha256), ("entry", str(self.entry)), ("there", self.next)))


def pull(
    name: str, quantisation: str | None, source: Source, report: Report, own: Path | None = None
) -> Pulled | DemoModel:
    """Fetch and verify a model's file, or its folder where the precision is that of its safetensors.

    `demo` is built instead. CatalogError, and whatever keeps a file from being had.
    """
    model, precision = _chosen(catalog.load(own), name, quantisation)
    if model.id == "demo":
        return demo(report)
    if model.safetensors is not None and precision == model.safetensors.precision:
        got = fetch_folder(model.safetensors, source, report)
        return Pulled(model.id, precision, got.path, got.bytes, None, got.already, got.note)
    file = model.file(precision)
    fetched = fetch(file, source, report)
    return Pulled(model.id, precision, fetched.path, fetched.bytes, fetched.sha256, fetched.already, model.note or "")


def verify(what: str, quantisation: str | None, source: Source, report: Report, own: Path | None = None) -> Checked:
    """Read a model's file on this disk, or any GGUF named by its path, to the last byte. WrongBytes, CatalogError."""
    known = catalog.load(own)
    if (path := Path(what)).is_file():
        model, file = transfer.identify(path, known, report)
    else:
        model, precision = _chosen(known, what, quantisation)
        file = model.file(precision)
        path = _here(model, file, source)
        verify_file(path, file, report, again=True)
    return Checked(model.id, file.quantisation, path.absolute(), path.stat().st_size, str(file.sha256))


def import_(path: Path, source: Source, report: Report, own: Path | None = None) -> ImportedModel:
    """Take a GGUF from a disk; which one it is, its sha256 tells. WrongBytes if the catalogue has none like it."""
    got = transfer.import_file(path, catalog.load(own), source, report)
    return ImportedModel(got.model.id, got.file.quantisation, got.path, str(got.file.sha256), got.already)


def export(
    name: str, quantisation: str | None, target: Path, source: Source, report: Report, own: Path | None = None
) -> ExportedModel:
    """Put a model's verified file into the folder `target`. InvalidModel where it is not on this disk."""
    model, precision = _chosen(catalog.load(own), name, quantisation)
    file = model.file(precision)
    _here(model, file, source)
    got = transfer.export(model, file, target, source, report)
    following = f"embedstack model import {got.gguf.name}"
    return ExportedModel(model.id, file.quantisation, got.gguf, got.entry, str(file.sha256), following)


def named(known: Catalog, name: str, quantisation: str | None) -> tuple[Model, ModelFile]:
    """A model and its GGUF; `quantisation` None: as the name says, else the catalogue's default. NotInCatalog."""
    found = known.find(name)
    return found.model, found.model.file(quantisation or found.precision)


def _chosen(known: Catalog, name: str, quantisation: str | None) -> tuple[Model, str]:
    named = known.find(name)
    return named.model, named.model.precision(quantisation or named.precision or named.model.default_quantisation)


def _here(model: Model, file: ModelFile, source: Source) -> Path:
    if model.id == "demo" and (built := default_folder() / file.file).is_file():
        return built
    if (path := on_disk(file, source)) is None:
        raise InvalidModel(
            f"{file.file} is not in {source.folder}.",
            f"`embedstack model pull {model.id}` fetches it, `embedstack model import FILE` takes it from a disk.",
        )
    return path


def _file_rows(path: Path, sha256: str) -> tuple[tuple[str, str], ...]:
    return (("file", str(path)), ("sha256", sha256))


def _rows(rows: tuple[tuple[str, str], ...]) -> Group:
    """Never wrapped: paths and digests are for copying."""
    width = max(len(name) for name, _ in rows) + 2
    return Group(*(Text(f"{name:<{width}}{value}", no_wrap=True, overflow="ignore") for name, value in rows))


MARKS: dict[Severity, tuple[str, str]] = {"pass": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


@dataclass(frozen=True)
class ModelCheck:
    """Every verdict on the files of `model` at `path`."""

    path: Path
    model: str
    verdicts: tuple[GateVerdict, ...]

    def __rich__(self) -> Group:
        width = max(len(verdict.field) for verdict in self.verdicts)
        lines = [line for verdict in self.verdicts for line in _lines(verdict, width)]
        warned = sum(verdict.severity == "warn" for verdict in self.verdicts)
        end = f"{self.model}: {len(self.verdicts) - warned} facts as they must be, {warned} warnings"
        return Group(*lines, "", Text(end, style="bold"))


def check_model(path: Path, name: str, own: Path | None = None) -> ModelCheck:
    """The verdicts on a GGUF or a Hugging Face folder. ModelRefused where one is a failure; InvalidModel.

    `own` is a catalogue of one's own, whose models count too.
    """
    try:
        model = catalog.load(own).find(name).model
    except CatalogError as error:
        raise InvalidModel(str(error)) from error
    return ModelCheck(path.absolute(), model.id, accept(path, model))


def _lines(verdict: GateVerdict, width: int) -> list[Text]:
    line = Text.assemble(MARKS[verdict.severity], f" {verdict.field:<{width}}  {verdict.value}")
    if verdict.severity == "pass":
        return [line]
    return [line, Text(f"  expected {verdict.must}; such files come from {verdict.origin}", style="dim")]
