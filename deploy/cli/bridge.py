"""Verbs about the tool itself and about what answers somewhere."""

from pathlib import Path
from typing import Annotated

import typer

from embedstack.deploy.cli.options import BRIDGE_URL, Config, Json, Set, Stack
from embedstack.deploy.cli.settings import load
from embedstack.deploy.cli.verb import app
from embedstack.deploy.commands import completion as completion_command
from embedstack.deploy.commands import version as version_command
from embedstack.deploy.console import reporting


@app.command(epilog="Example: embedstack version --json")
def version(as_json: Json = False) -> None:
    """Say which version this is."""
    with reporting("version", as_json=as_json) as report:
        report.show(version_command.version())


@app.command(epilog='Example: eval "$(embedstack completion bash)"')
def completion(
    shell: Annotated[completion_command.Shell, typer.Argument(help="bash, zsh or fish.")], as_json: Json = False
) -> None:
    """Print what a shell needs to complete verbs and options."""
    with reporting("completion", as_json=as_json) as report:
        report.show(completion_command.completion(shell))


@app.command(epilog="Example: embedstack smoke --url http://localhost:11435 --junit smoke.xml")
def smoke(
    url: Annotated[
        str | None,
        typer.Option("--url", help="A bridge, an Ollama, or a server of OpenAI's shape. Default: the stack's bridge."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Its model, as it is called there. Default: the stack's.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", envvar="EMBEDSTACK_KEY", help="Its key, if it asks for one: that of the stack is known."),
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit report here as well.")] = None,
    throughput: Annotated[
        bool, typer.Option("--throughput", help="Measure it with texts of 128, 512 and 2,048 tokens: long on a CPU.")
    ] = False,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Check that what answers at a URL is right: dimensions, norm, end of text, cuts, roles, published scores."""
    from embedstack.deploy.smoke import command as smoke_command
    from embedstack.deploy.stack.bridge_access import access

    with reporting("smoke", as_json=as_json) as report:
        set_to = load(config, settings, {"stack.name": stack}).settings
        where = access(set_to.stack.name, url, key, otherwise=BRIDGE_URL)
        own = set_to.model.catalog
        asked = model or where.model or set_to.model.id
        found = smoke_command.smoke(where.url, asked, where.key, report, junit, own, throughput=throughput)
        report.show(found)
        report.leave(0 if found.passed else 1)
