"""`embedstack model …`."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.text import Text

from deploy.console import Report
from deploy.errors import InvalidModel, ModelNotBuilt
from modelfiles import catalog
from modelfiles.catalog import CatalogError
from modelfiles.demo.build import DESCRIPTION, DemoModelError, build, default_folder
from modelfiles.modelfile import render


@dataclass(frozen=True)
class DemoModel:
    """Where the demo model lies: a GGUF of `bytes` and `sha256`, and the same weights as a Hugging Face folder."""

    name: str
    note: str
    gguf: Path
    bytes: int
    sha256: str
    hf: Path

    def __rich__(self) -> Group:
        rows = (
            ("model", self.name),
            ("gguf", f"{self.gguf} ({self.bytes / 1e6:.0f} MB)"),
            ("sha256", self.sha256),
            ("hf", str(self.hf)),
        )
        lines = [Text(f"{name:<8}{value}", no_wrap=True, overflow="ignore") for name, value in rows]
        return Group(*lines, Text(self.note, style="yellow"))


@dataclass(frozen=True)
class Modelfile:
    """A Modelfile's text, for `ollama create -f`."""

    model: str
    text: str

    def __rich__(self) -> Group:
        """Line by line and never wrapped: it goes into a file."""
        return Group(*(Text(line, no_wrap=True, overflow="ignore") for line in self.text.splitlines()))


def modelfile(gguf: Path, name: str, num_ctx: int | None) -> Modelfile:
    """The Modelfile for a GGUF of a model that the catalogue knows. InvalidModel."""
    try:
        model = catalog.load().find(name).model
        return Modelfile(model.id, render(model, gguf.absolute(), num_ctx))
    except CatalogError as error:
        raise InvalidModel(str(error)) from error


def demo(report: Report) -> DemoModel:
    """Build the demo model where it is not built yet. ModelNotBuilt."""
    try:
        with report.step("demo model"):
            files = build(default_folder())
    except DemoModelError as error:
        raise ModelNotBuilt(str(error)) from error
    return DemoModel("demo", DESCRIPTION, files.gguf, files.gguf.stat().st_size, files.sha256, files.hf)
