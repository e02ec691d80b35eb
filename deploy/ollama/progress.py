"""Ollama's own account of a `create` or `pull`, told to a person."""

from collections.abc import Iterable
from itertools import groupby

from embedstack.deploy.console import Report
from embedstack.deploy.errors import EngineRefused
from embedstack.deploy.ollama.server import Progress

DONE = "success"


def follow(stream: Iterable[Progress], doing: str, report: Report) -> None:
    """Tell each stage until the last. EngineRefused where the stream ends before it, as it does when Ollama ends."""
    stage = "nothing"
    for stage, parts in groupby(stream, key=lambda part: part.status):
        with report.transfer(f"{doing}: {stage}") as transfer:
            for part in parts:
                if part.total:
                    transfer.at(part.completed or 0, part.total)
    if stage != DONE:
        raise EngineRefused(
            f"{doing}: Ollama broke off after {stage!r}.", "Run it again; what was uploaded or pulled is kept."
        )
