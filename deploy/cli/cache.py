"""`embedstack cache …`"""

from typing import Annotated

import typer

from deploy.cli.options import BRIDGE_URL, Json
from deploy.cli.root import app
from deploy.console import reporting

cache = typer.Typer(help="The vectors that a running bridge keeps.", no_args_is_help=True)
app.add_typer(cache, name="cache")

Url = Annotated[str, typer.Option("--url", help="Where the bridge listens.")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="EMBEDSTACK_KEY", help="An administrator's key, if it has any.", show_envvar=True),
]


@cache.command("stats", epilog="Example: embedstack cache stats --json")
def cache_stats(url: Url = BRIDGE_URL, key: Key = None, as_json: Json = False) -> None:
    """Say how many vectors are kept, where, and how the disk is."""
    from deploy.commands import cache as cache_command

    with reporting("cache stats", as_json=as_json) as report:
        report.show(cache_command.stats(url, key))


@cache.command("clear", epilog="Example: embedstack cache clear")
def cache_clear(url: Url = BRIDGE_URL, key: Key = None, as_json: Json = False) -> None:
    """Forget every vector, and what the model was known by: after a change of weights under one name."""
    from deploy.commands import cache as cache_command

    with reporting("cache clear", as_json=as_json) as report:
        report.show(cache_command.clear(url, key))
