"""`embedstack demo`"""

from typing import Annotated

import typer

from embedstack.deploy.cli.options import Json
from embedstack.deploy.cli.verb import app
from embedstack.deploy.console import STOPPED, reporting


@app.command(epilog="Example: embedstack demo --once")
def demo(
    once: Annotated[bool, typer.Option("--once", help="Ask, print the answer and stop.")] = False,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Where the bridge listens: 11435, with --once any free port."),
    ] = None,
    as_json: Json = False,
) -> None:
    """See the bridge at work: a stand-in model, a question, a ranking; then it serves until Ctrl-C."""
    from embedstack.deploy.demo import command as demo_command

    with reporting("demo", as_json=as_json, interrupted=STOPPED) as report:
        demo_command.run(report, once=once, port=port)
