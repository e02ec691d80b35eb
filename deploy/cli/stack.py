"""Verbs about the stack: `up`, `down`, `restart`, `status`, `logs`."""

from functools import partial
from typing import Annotated

import typer

from embedstack.deploy.cli.verb import Config, Json, Set, Stack, app, load, stack_name
from embedstack.deploy.console import INTERRUPTED, STOPPED, reporting

Parts = Annotated[list[str] | None, typer.Argument(help="Which parts; all where none is named.")]

Quantisation = Annotated[str | None, typer.Option("--quantisation", help="Q4_K_M, Q8_0, f16.")]
Context = Annotated[int | None, typer.Option("--num-ctx", min=64, help="Context in tokens.")]
Mode = Annotated[str | None, typer.Option("--mode", help="auto, docker or native.")]
Engine = Annotated[str | None, typer.Option("--engine", help="auto, ollama, embedded or vllm.")]
Cpu = Annotated[bool | None, typer.Option("--cpu/--gpu", help="Use the CPU for a model that wants a GPU.")]
Webui = Annotated[bool | None, typer.Option("--webui/--no-webui", help="With Open WebUI, or without it.")]
Expose = Annotated[str | None, typer.Option("--expose", help="What other machines may reach: none, webui or all.")]

_GOES_ON = "Interrupted; what runs goes on, and `embedstack up` continues from here."


_GIVEN = (
    *("model.id", "model.quantisation", "model.num_ctx", "stack.name", "stack.mode", "stack.expose"),
    *("engine.kind", "engine.cpu", "webui.enabled"),
)
"""The settings of the options that say what a stack is to be, in the order in which `_given` takes their values."""


def _given(*values: object) -> dict[str, object]:
    return dict(zip(_GIVEN, values, strict=True))


@app.command(epilog="Example: embedstack up --model demo --no-webui")
def up(
    model: Annotated[str | None, typer.Option("--model", help="The model, by any name in the catalogue.")] = None,
    quantisation: Quantisation = None,
    num_ctx: Context = None,
    mode: Mode = None,
    engine: Engine = None,
    cpu: Cpu = None,
    webui: Webui = None,
    expose: Expose = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="A mirror of the Hugging Face Hub.")] = None,
    offline: Annotated[bool | None, typer.Option("--offline/--online", help="Never ask the network.")] = None,
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
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Bring the stack up: model, engine, bridge, Open WebUI. Done again it changes nothing."""
    from embedstack.deploy.stack import up as up_command

    with reporting("up", as_json=as_json, interrupted=STOPPED if foreground else _GOES_ON) as report:
        given = _given(model, quantisation, num_ctx, stack, mode, expose, engine, cpu, webui)
        given |= {"hub.endpoint": endpoint, "hub.offline": offline}
        loaded = load(config, settings, given, forget=forget)
        if dry_run:
            report.show(up_command.plan(loaded, report, reindex=reindex, foreground=foreground))
        elif foreground:
            up_command.stay(loaded, report, reindex=reindex)
        else:
            report.show(up_command.up(loaded, report, reindex=reindex))


@app.command(epilog="Example: embedstack down")
def down(
    volumes: Annotated[
        bool,
        typer.Option(
            "--volumes",
            help="Take the stack's folder away too, with Open WebUI's documents and accounts, secrets, logs; in Docker "
            "all volumes, with the store of vectors and Ollama's models.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Stop what `up` started. An Ollama that ran before is left alone, and so are models and documents."""
    from embedstack.deploy.stack import running as down_command

    with reporting("down", as_json=as_json) as report:
        name = stack_name(config, settings, stack)
        sure = partial(_sure, name, yes=yes, ask=not as_json)
        report.show(down_command.down(name, report, volumes=volumes, sure=sure))


def _sure(stack: str, *, yes: bool, ask: bool) -> bool:
    try:
        return yes or (
            ask and typer.confirm(f"Take away all data of the stack {stack!r}, documents and accounts too?", err=True)
        )
    except typer.Abort:  # Ctrl-C, or no one is there to answer
        return False


@app.command(epilog="Example: embedstack restart bridge")
def restart(
    parts: Parts = None, stack: Stack = None, config: Config = None, settings: Set = None, as_json: Json = False
) -> None:
    """Start parts anew. Exit status 4 where one of the stack is not well."""
    from embedstack.deploy.stack import running as restart_command

    with reporting("restart", as_json=as_json) as report:
        name = stack_name(config, settings, stack)
        found = restart_command.restart(name, parts or (), report)
        report.show(found)
        report.leave(found.exit_code)


@app.command(epilog="Example: embedstack status --json")
def status(stack: Stack = None, config: Config = None, settings: Set = None, as_json: Json = False) -> None:
    """Say how each part is. Exit status 4 where one is not well, or there is no stack."""
    from embedstack.deploy.stack import running as status_command

    with reporting("status", as_json=as_json) as report:
        name = stack_name(config, settings, stack)
        found = status_command.status(name, report)
        report.show(found)
        report.leave(found.exit_code)


@app.command(epilog="Example: embedstack doctor --json")
def doctor(
    model: Annotated[str | None, typer.Option("--model", help="The model that is to be served.")] = None,
    quantisation: Quantisation = None,
    num_ctx: Context = None,
    mode: Mode = None,
    engine: Engine = None,
    cpu: Cpu = None,
    webui: Webui = None,
    expose: Expose = None,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Say what is in the way on this machine, or will be, and what to do about it. Exit status 3 where it is."""
    from embedstack.deploy.stack import diagnose as doctor_command

    with reporting("doctor", as_json=as_json) as report:
        given = _given(model, quantisation, num_ctx, stack, mode, expose, engine, cpu, webui)
        found = doctor_command.doctor(load(config, settings, given).settings, report)
        report.show(found)
        report.leave(found.exit_code)


@app.command(epilog="Example: embedstack logs bridge --follow")
def logs(
    parts: Parts = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=100_000, help="Of each part.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Show what the parts have written."""
    from embedstack.deploy.stack import running as logs_command

    with reporting("logs", as_json=as_json, interrupted=None if follow else INTERRUPTED) as report:
        name = stack_name(config, settings, stack)
        logs_command.logs(name, parts or (), report, lines=lines, follow=follow)
