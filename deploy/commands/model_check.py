"""`embedstack model check`: would an engine make the right vectors of these files?"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.text import Text

from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.gates.gate import accept
from embedstack.deploy.gates.verdict import Severity, Verdict
from embedstack.models import catalog
from embedstack.models.catalog import CatalogError

MARKS: dict[Severity, tuple[str, str]] = {"pass": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


@dataclass(frozen=True)
class ModelCheck:
    """Every verdict on the files of `model` at `path`."""

    path: Path
    model: str
    verdicts: tuple[Verdict, ...]

    def __rich__(self) -> Group:
        width = max(len(verdict.field) for verdict in self.verdicts)
        lines = [line for verdict in self.verdicts for line in _lines(verdict, width)]
        warned = sum(verdict.severity == "warn" for verdict in self.verdicts)
        end = f"{self.model}: {len(self.verdicts) - warned} facts as they must be, {warned} warnings"
        return Group(*lines, "", Text(end, style="bold"))


def check(path: Path, name: str, own: Path | None = None) -> ModelCheck:
    """The verdicts on a GGUF or a Hugging Face folder. ModelRefused where one is a failure; InvalidModel.

    `own` is a catalogue of one's own, whose models count too.
    """
    try:
        model = catalog.load(own).find(name).model
    except CatalogError as error:
        raise InvalidModel(str(error)) from error
    return ModelCheck(path.absolute(), model.id, accept(path, model))


def _lines(verdict: Verdict, width: int) -> list[Text]:
    line = Text.assemble(MARKS[verdict.severity], f" {verdict.field:<{width}}  {verdict.value}")
    if verdict.severity == "pass":
        return [line]
    return [line, Text(f"  expected {verdict.must}; such files come from {verdict.origin}", style="dim")]
