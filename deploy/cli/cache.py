"""`embedstack cache …`"""

from typing import Annotated

import typer

from embedstack.deploy.cli.options import BRIDGE_URL, Config, Json, Stack
from embedstack.deploy.cli.settings import stack_name
from embedstack.deploy.cli.verb import app
from embedstack.deploy.console import reporting

cache = typer.Typer(help="The vectors that a running bridge keeps.", no_args_is_help=True)
app.add_typer(cache, name="cache")

Url = Annotated[str | None, typer.Option("--url", help="Another bridge than the stack's.")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="EMBEDSTACK_KEY", help="An administrator's key, if it has any.", show_envvar=True),
]


@cache.command("stats", epilog="Example: embedstack cache stats --json")
def cache_stats(
    url: Url = None, key: Key = None, stack: Stack = None, config: Config = None, as_json: Json = False
) -> None:
    """Say how many vectors are kept, where, and how the disk is."""
    from embedstack.deploy import bridge_verbs as cache_command
    from embedstack.deploy.stack.bridge_access import access

    with reporting("cache stats", as_json=as_json) as report:
        where = access(stack_name(config, None, stack), url, key, otherwise=BRIDGE_URL)
        report.show(cache_command.stats(where.url, where.key))


@cache.command("clear", epilog="Example: embedstack cache clear")
def cache_clear(
    url: Url = None, key: Key = None, stack: Stack = None, config: Config = None, as_json: Json = False
) -> None:
    """Forget every vector, and what the model was known by: after a change of weights under one name."""
    from embedstack.deploy import bridge_verbs as cache_command
    from embedstack.deploy.stack.bridge_access import access

    with reporting("cache clear", as_json=as_json) as report:
        where = access(stack_name(config, None, stack), url, key, otherwise=BRIDGE_URL)
        report.show(cache_command.clear(where.url, where.key))
