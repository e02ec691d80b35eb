"""Verbs about the stack: `up`, `down`, `restart`, `status`, `doctor`, `logs`."""

from functools import partial
from typing import Annotated

import typer

from embedstack.deploy.cli.model import CONTEXT, HUB
from embedstack.deploy.cli.verb import MODELS, VerbRun, switch, text, verb
from embedstack.deploy.console import INTERRUPTED, STOPPED, Data

Parts = Annotated[list[str] | None, typer.Argument(help="Names of parts. Default: all.")]
WHAT = {
    "model.quantisation": text("--quantisation", "Q4_K_M, Q8_0 or f16. Default: the catalogue's."),
    **CONTEXT,
    "stack.mode": text("--mode", "Run in containers or as processes: auto, docker or native."),
    "engine.kind": text("--engine", "What computes the vectors: auto, ollama, embedded or vllm."),
    "engine.cpu": switch("--cpu/--gpu", "Accept the CPU for a model that belongs on a GPU, or refuse it."),
    "webui.enabled": switch("--webui/--no-webui", "Run Open WebUI as part of the stack, or not."),
    "stack.expose": text("--expose", "What other machines can reach: none, webui or all."),
}
"""The options of a stack besides its model."""

_GOES_ON = "Interrupted; what runs keeps running, and `embedstack up` continues from here."


@verb(
    "up",
    "Example: embedstack up --model demo --no-webui",
    given={
        "model.id": text("--model", f"The embedding model: {MODELS}."),
        **WHAT,
        **HUB,
    },
    interrupted=lambda asked: STOPPED if asked["foreground"] else _GOES_ON,
)
def up(
    run: VerbRun,
    forget: Annotated[
        bool, typer.Option("--forget", help="Drop the flags of earlier runs of `up`, which a stack keeps.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    reindex: Annotated[
        bool,
        typer.Option("--reindex", help="Embed Open WebUI's index again if it was made with something else."),
    ] = False,
    foreground: Annotated[
        bool,
        typer.Option("--foreground", help="Stay in the foreground, for systemd, and stop the stack on exit (native)."),
    ] = False,
) -> Data | None:
    """Start the stack: model, engine, bridge, Open WebUI. A second run changes nothing."""
    from embedstack.deploy.stack import up

    loaded = run.load(forget=forget)
    if dry_run:
        return up.plan(loaded, run.report, reindex=reindex, foreground=foreground)
    if foreground:
        up.stay(loaded, run.report, reindex=reindex)
        return None
    return up.up(loaded, run.report, reindex=reindex)


@verb("down", "Example: embedstack down")
def down(
    run: VerbRun,
    volumes: Annotated[
        bool,
        typer.Option(
            "--volumes",
            help="Delete the stack's data too: Open WebUI's documents and accounts, secrets, logs; in Docker "
            "all volumes, with the vector store and Ollama's models.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> Data:
    """Stop what `up` started. Models, documents and an Ollama that ran before are left alone."""
    from embedstack.deploy.stack import running

    name = run.stack_name()
    sure = partial(_sure, name, yes=yes, ask=not run.as_json)
    return running.down(name, run.report, volumes=volumes, sure=sure)


def _sure(stack: str, *, yes: bool, ask: bool) -> bool:
    try:
        return yes or (
            ask and typer.confirm(f"Delete all data of the stack {stack!r}, documents and accounts too?", err=True)
        )
    except typer.Abort:  # Ctrl-C, or nobody is there to answer
        return False


@verb("restart", "Example: embedstack restart bridge")
def restart(run: VerbRun, parts: Parts = None) -> Data:
    """Restart all parts of the stack, or those named. Exit status 4 if a part is not healthy."""
    from embedstack.deploy.stack import running

    return running.restart(run.stack_name(), parts or (), run.report)


@verb("status", "Example: embedstack status --json")
def status(run: VerbRun) -> Data:
    """Show the state of each part. Exit status 4 if one is not healthy or there is no stack."""
    from embedstack.deploy.stack import running

    return running.status(run.stack_name(), run.report)


@verb(
    "doctor",
    "Example: embedstack doctor --json",
    given={
        "model.id": text("--model", f"The model that you want to serve: {MODELS}."),
        **WHAT,
    },
)
def doctor(run: VerbRun) -> Data:
    """Find what stops a stack on this machine, or soon will, and say what to do. Exit status 3 if something does."""
    from embedstack.deploy.stack import diagnose

    return diagnose.doctor(run.settings(), run.report)


@verb(
    "logs",
    "Example: embedstack logs bridge --follow",
    interrupted=lambda asked: None if asked["follow"] else INTERRUPTED,
)
def logs(
    run: VerbRun,
    parts: Parts = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=100_000, help="How many lines of each part.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until Ctrl-C.")] = False,
) -> None:
    """Show the logs of the parts."""
    from embedstack.deploy.stack import running

    running.logs(run.stack_name(), parts or (), run.report, lines=lines, follow=follow)
