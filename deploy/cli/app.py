"""`embedstack` with all its commands: one a verb; `version` and `completion` are here. Exit codes: `deploy.errors`."""

import os
import platform
import signal
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import typer
from rich.console import Group
from rich.text import Text
from typer import completion as typer_completion

from embedstack import __version__
from embedstack.deploy.cli import bridge, config, model, stack, webui
from embedstack.deploy.cli.verb import app, verb

__all__ = ["Completion", "Shell", "app", "bridge", "completion", "config", "model", "run", "stack", "version", "webui"]


@dataclass(frozen=True)
class Version:
    """Versions of embedstack and of the Python that runs it."""

    version: str
    python: str

    def __rich__(self) -> str:
        return f"embedstack {self.version} (Python {self.python})"


@verb("version", "Example: embedstack version --json")
def version() -> Version:
    """Say which version this is."""
    return Version(__version__, platform.python_version())


Shell = Literal["bash", "zsh", "fish"]
PROGRAM, VARIABLE = "embedstack", "_EMBEDSTACK_COMPLETE"


@dataclass(frozen=True)
class Completion:
    """A script for one shell."""

    shell: Shell
    script: str

    def __rich__(self) -> Group:
        """Line by line and never wrapped: it goes into a file, or into `eval`."""
        return Group(*(Text(line, no_wrap=True, overflow="ignore") for line in self.script.splitlines()))


@verb("completion", 'Example: eval "$(embedstack completion bash)"')
def completion(shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.")]) -> Completion:
    """Print what a shell needs to complete verbs and options."""
    script = typer_completion.get_completion_script(  # type: ignore[attr-defined]  # typer has no other name for it
        prog_name=PROGRAM, complete_var=VARIABLE, shell=shell
    )
    return Completion(shell, script)


def _answer_shells() -> None:
    """What may come next; typer does so by itself only for an app with its --install-completion."""
    typer_completion.get_completion_inspect_parameters()


def run() -> None:
    if VARIABLE in os.environ:
        _answer_shells()
    # Whoever ends us, what we started ends first: each of these unwinds the stack as Ctrl-C does, also where a script
    # has started us in the background, with SIGINT ignored. A SIGHUP that is ignored (nohup) stays so.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if ending != signal.SIGHUP or signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, signal.default_int_handler)
    sys.exit(app())
