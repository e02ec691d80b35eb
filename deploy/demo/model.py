"""The demo model on this machine: built where it is not built yet."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.text import Text

from embedstack.deploy.console import Report
from embedstack.deploy.errors import ModelNotBuilt
from embedstack.models.demo.build import DESCRIPTION, DemoModelError, build, default_folder


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


def demo(report: Report) -> DemoModel:
    """Build the demo model where it is not built yet. ModelNotBuilt."""
    try:
        with report.step("demo model"):
            files = build(default_folder())
    except DemoModelError as error:
        raise ModelNotBuilt(str(error)) from error
    return DemoModel("demo", DESCRIPTION, files.gguf, files.gguf.stat().st_size, files.sha256, files.hf)
