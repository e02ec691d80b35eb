"""Verbs about the stack: `up`, `down`, `restart`, `status`, `doctor`, `logs`."""

from functools import partial
from typing import Annotated

import typer

from embedstack.deploy.cli.model import CONTEXT, HUB
from embedstack.deploy.cli.verb import VerbRun, switch, text, verb
from embedstack.deploy.console import INTERRUPTED, STOPPED, Data

Parts = Annotated[list[str] | None, typer.Argument(help="Which parts; all where none is named.")]
WHAT = {
    "model.quantisation": text("--quantisation", "Q4_K_M, Q8_0, f16."),
    **CONTEXT,
    "stack.mode": text("--mode", "auto, docker or native."),
    "engine.kind": text("--engine", "auto, ollama, embedded or vllm."),
    "engine.cpu": switch("--cpu/--gpu", "Use the CPU for a model that wants a GPU."),
    "webui.enabled": switch("--webui/--no-webui", "With Open WebUI, or without it."),
    "stack.expose": text("--expose", "What other machines may reach: none, webui or all."),
}
"""What a stack is to be, besides its model."""

_GOES_ON = "Interrupted; what runs goes on, and `embedstack up` continues from here."


@verb(
    "up",
    "Example: embedstack up --model demo --no-webui",
    given={
        "model.id": text("--model", "The model, by any name in the catalogue."),
        **WHAT,
        **HUB,
    },
    interrupted=lambda asked: STOPPED if asked["foreground"] else _GOES_ON,
)
def up(
    run: VerbRun,
    forget: Annotated[
        bool, typer.Option("--forget", help="Without the flags that an earlier `up` was given; a stack keeps them.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    reindex: Annotated[
        bool,
        typer.Option("--reindex", help="Where Open WebUI's index was made with something else, embed it anew."),
    ] = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, as systemd wants it, and end the stack when ended (native).")
    ] = False,
) -> Data | None:
    """Bring the stack up: model, engine, bridge, Open WebUI. Done again it changes nothing."""
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
            help="Take the stack's folder away too, with Open WebUI's documents and accounts, secrets, logs; in Docker "
            "all volumes, with the store of vectors and Ollama's models.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> Data:
    """Stop what `up` started. An Ollama that ran before is left alone, and so are models and documents."""
    from embedstack.deploy.stack import running

    name = run.stack_name()
    sure = partial(_sure, name, yes=yes, ask=not run.as_json)
    return running.down(name, run.report, volumes=volumes, sure=sure)


def _sure(stack: str, *, yes: bool, ask: bool) -> bool:
    try:
        return yes or (
            ask and typer.confirm(f"Take away all data of the stack {stack!r}, documents and accounts too?", err=True)
        )
    except typer.Abort:  # Ctrl-C, or no one is there to answer
        return False


@verb("restart", "Example: embedstack restart bridge")
def restart(run: VerbRun, parts: Parts = None) -> Data:
    """Start parts anew. Exit status 4 where one of the stack is not well."""
    from embedstack.deploy.stack import running

    return running.restart(run.stack_name(), parts or (), run.report)


@verb("status", "Example: embedstack status --json")
def status(run: VerbRun) -> Data:
    """Say how each part is. Exit status 4 where one is not well, or there is no stack."""
    from embedstack.deploy.stack import running

    return running.status(run.stack_name(), run.report)


@verb(
    "doctor",
    "Example: embedstack doctor --json",
    given={
        "model.id": text("--model", "The model that is to be served."),
        **WHAT,
    },
)
def doctor(run: VerbRun) -> Data:
    """Say what is in the way on this machine, or will be, and what to do about it. Exit status 3 where it is."""
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
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=100_000, help="Of each part.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Show what the parts have written."""
    from embedstack.deploy.stack import running

    running.logs(run.stack_name(), parts or (), run.report, lines=lines, follow=follow)
