"""`embedstack trace`"""

from typing import Annotated

import typer

from embedstack.deploy.cli.options import BRIDGE_URL, Config, Json, Set, Stack
from embedstack.deploy.cli.settings import stack_name
from embedstack.deploy.cli.verb import app
from embedstack.deploy.console import INTERRUPTED, reporting


@app.command(epilog="Example: embedstack trace --last 20")
def trace(
    last: Annotated[
        int, typer.Option("--last", "-n", min=0, max=100_000, help="Requests of before to begin with.")
    ] = 10,
    once: Annotated[bool, typer.Option("--once", help="End after those.")] = False,
    url: Annotated[str | None, typer.Option("--url", help="Another bridge than the stack's.")] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", envvar="EMBEDSTACK_KEY", help="That bridge's admin key.", show_envvar=True),
    ] = None,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Follow what clients ask the bridge for: which role, where it came from, tokens, cache, times. Never a text,
    unless the bridge was started with `trace.text`. --json writes an object a line; with --once, one document."""
    from embedstack.deploy.commands import trace as trace_command
    from embedstack.deploy.stack.bridge_access import access

    with reporting("trace", as_json=as_json, interrupted=INTERRUPTED if once else None) as report:
        name = stack_name(config, settings, stack)
        where = access(name, url, key, otherwise=BRIDGE_URL)
        if once:
            report.show(trace_command.trace(where, last))
        else:
            trace_command.follow(where, last, report)
