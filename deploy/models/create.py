"""`embedstack model create`, a model's verified file as a model in an Ollama and the proof that it is right there, and
`embedstack model remove`. The file in the Hub's cache stays.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.text import Text

from embedstack.deploy.console import Report
from embedstack.deploy.demo.model import demo
from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.gates import gate
from embedstack.deploy.hub import fetch, transfer
from embedstack.deploy.hub.source import Source
from embedstack.deploy.models.files import named
from embedstack.deploy.ollama import create
from embedstack.deploy.ollama.create import create as make
from embedstack.deploy.ollama.create import vouch
from embedstack.deploy.ollama.server import Ollama
from embedstack.deploy.ollama.verify import Compared, verify
from embedstack.deploy.ollama.version import judge
from embedstack.deploy.plan.plan import name_in_engine
from embedstack.models import catalog
from embedstack.models.catalog import Catalog, CatalogError
from embedstack.models.model import Model, ModelFile
from embedstack.models.modelfile import Modelfile


@dataclass(frozen=True)
class CreatedModel:
    """A model in an Ollama, and what was checked of it there; `already` where it was left alone.

    Attributes:
        digest: of its manifest in Ollama; `sha256` of the GGUF that it was made from.
        note: what to know of this Ollama or this model, "" for nothing.
    """

    name: str
    url: str
    digest: str
    sha256: str
    num_ctx: int
    already: bool
    checks: tuple[Compared, ...]
    note: str

    def __rich__(self) -> Group:
        message = "was there already" if self.already else "created"
        head = f"{self.name} {message} in the Ollama at {self.url}, with a context of {self.num_ctx} tokens"
        width = max(len(check.name) for check in self.checks)
        lines = [Text(f"✓ {check.name:<{width}}  {check.value}") for check in self.checks]
        notes = [Text(self.note, style="yellow")] if self.note else []
        return Group(Text(head, style="bold"), *lines, *notes)


@dataclass(frozen=True)
class WantedModel:
    """A model as somebody asks for it.

    Attributes:
        name: by any name of the catalogue; None where `gguf` says which it is.
        quantisation: None for the one that the name means.
        gguf: a file of it, None for the catalogue's, which is fetched.
        num_ctx: context in tokens, None for the one that is recommended.
        own: a catalogue beside the shipped one.
    """

    name: str | None
    quantisation: str | None = None
    gguf: Path | None = None
    num_ctx: int | None = None
    own: Path | None = None


@dataclass(frozen=True)
class _Given:
    model: Model
    file: ModelFile
    path: Path


def create_model(
    wanted: WantedModel, source: Source, report: Report, *, url: str, keep_alive: float | str
) -> CreatedModel:
    """Make it in the Ollama at `url`.

    The model stays loaded for `keep_alive` after the checks. InvalidModel, ModelRefused, WrongBytes, EngineNotUsable,
    EngineRefused, and whatever keeps the file from being had.
    """
    with Ollama(url) as server:
        judged = judge(server.version())  # before anything is fetched for it
        given = _given(wanted, source, report)
        gate.accept(given.path, given.model)
        text = Modelfile.of(given.model, given.path.absolute(), wanted.num_ctx)
        called = name_in_engine(given.model, given.file)
        made = make(server, called, given.path, str(given.file.sha256), text.parameters, report)
        with report.step(f"{called}: its vectors"):
            checks = verify(server, called, given.model, given.file.quantisation, keep_alive)
            vouch(server.url, called)
    notes = "; ".join(note for note in (judged.note, given.model.note) if note)
    return CreatedModel(called, url, made.digest, str(given.file.sha256), text.num_ctx, made.already, checks, notes)


def _given(wanted: WantedModel, source: Source, report: Report) -> _Given:
    known = catalog.load(wanted.own)
    if wanted.gguf is not None:
        model, file = transfer.identify(wanted.gguf, known, report)
        return _Given(model, file, wanted.gguf)
    model, file = chosen(known, wanted)
    path = demo(report).gguf if model.id == "demo" else fetch.fetch(file, source, report).path
    return _Given(model, file, path)


def chosen(known: Catalog, wanted: WantedModel) -> tuple[Model, ModelFile]:
    """What the name that is wanted means. NotInCatalog, InvalidModel where none is named."""
    if wanted.name is None:
        raise InvalidModel("No model is named.", "Name one, or its file with --gguf.")
    return named(known, wanted.name, wanted.quantisation)


@dataclass(frozen=True)
class RemovedModel:
    """A model that is no longer in the Ollama at `url`."""

    name: str
    url: str

    def __rich__(self) -> str:
        return f"{self.name} is no longer in the Ollama at {self.url}; its file on this disk stays"


def remove_model(name: str, url: str) -> RemovedModel:
    """By the name that Ollama has for it. InvalidModel where it has none such, EngineRefused."""
    with Ollama(url) as server:
        if server.digest(name) is None:
            there = ", ".join(model.name for model in server.models()) or "none"
            raise InvalidModel(f"There is no {name} in the Ollama at {url}; there is: {there}.")
        server.remove(name)
    create.remember(url, name, None)
    return RemovedModel(name, url)


@dataclass(frozen=True)
class ModelfileText:
    """A Modelfile's text, for `ollama create -f`."""

    model: str
    text: str

    def __rich__(self) -> Group:
        """Line by line and never wrapped: it goes into a file."""
        return Group(*(Text(line, no_wrap=True, overflow="ignore") for line in self.text.splitlines()))


def show_modelfile(gguf: Path, name: str, num_ctx: int | None) -> ModelfileText:
    """The Modelfile for a GGUF of a model that the catalogue knows. InvalidModel."""
    try:
        model = catalog.load().find(name).model
    except CatalogError as error:
        raise InvalidModel(str(error)) from error
    return ModelfileText(model.id, Modelfile.of(model, gguf.absolute(), num_ctx).text)
