"""`embedstack webui uninstall`: Open WebUI's program, which `up` has installed and all native stacks share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.text import Text

from embedstack.deploy.advice import followable
from embedstack.deploy.console import Report
from embedstack.deploy.doctor import neighbours
from embedstack.deploy.doctor.finding import size
from embedstack.deploy.errors import Blocked, FolderNotUsable
from embedstack.deploy.webui import install


@dataclass(frozen=True)
class WebuiUninstall:
    """What was taken away; `bytes` as the disk counts them. Documents and accounts are the stacks' own, and stay."""

    folder: Path
    versions: tuple[str, ...]
    bytes: int

    def __rich__(self) -> Text:
        if not self.versions:
            return Text(f"No Open WebUI is installed in {self.folder}.")
        again = followable("`embedstack up` installs it again")
        return Text(f"Open WebUI {', '.join(self.versions)}: {size(self.bytes)} are free again; {again}")


def uninstall(report: Report) -> WebuiUninstall:
    """Every version. Blocked while one runs, FolderNotUsable where it cannot be taken away."""
    folder = install.all_folders()
    there = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if (running := next(_running(folder), None)) is not None:
        raise Blocked(f"An Open WebUI of {folder} runs (process {running.pid}).", f"Stop it first: {_stop(running)}.")
    taken = sum(map(_bytes, there))
    try:
        if folder.is_dir():
            with report.step(f"taking {folder} away"):
                shutil.rmtree(folder)
    except OSError as error:
        raise FolderNotUsable(f"{folder} could not be taken away: {error.strerror}.", "Make it yours.") from error
    return WebuiUninstall(folder, tuple(path.name for path in there), taken)


def _running(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cmdline"]):
        if any(word.startswith(f"{folder}/") for word in (process.info["cmdline"] or [])[:2]):
            yield process


def _stop(process: psutil.Process) -> str:
    try:
        pids = [process.pid, *(parent.pid for parent in process.parents())]
    except psutil.Error:
        pids = [process.pid]
    owner = neighbours.whose(pids, "", 0, ())
    return owner.stop if owner else f"`kill {process.pid}`"


def _bytes(folder: Path) -> int:
    """A file that uv has linked from its own cache counts as well: it is free once that is gone too."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
