"""`embedstack config …`"""

import os
from pathlib import Path
from typing import Annotated

import typer

from embedstack.deploy.cli.verb import Config, Json, Set, Stack, app, load, stack_name
from embedstack.deploy.console import reporting

config = typer.Typer(help="The settings, and what is made from them.", no_args_is_help=True)
app.add_typer(config, name="config")


@config.command("show", epilog="Example: embedstack config show --sources")
def config_show(
    sources: Annotated[bool, typer.Option("--sources", help="Say where each value came from.")] = False,
    stack: Stack = None,
    file: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Show every setting."""
    from embedstack.deploy import config_verbs as config_command

    with reporting("config show", as_json=as_json) as report:
        report.show(config_command.show(load(file, settings, {"stack.name": stack}), with_sources=sources))


@config.command("set", epilog="Example: embedstack config set ports.webui 8080")
def config_set(
    words: Annotated[list[str], typer.Argument(metavar="KEY VALUE …", help="Settings and their new values.")],
    stack: Stack = None,
    file: Config = None,
    as_json: Json = False,
) -> None:
    """Write settings into embedstack.yaml, and leave all else in it as it stands."""
    from embedstack.deploy import config_verbs as config_command

    with reporting("config set", as_json=as_json) as report:
        report.show(config_command.set_values(words, os.environ, Path.cwd(), file=file, stack=stack))


@config.command("example", epilog="Example: embedstack config example > embedstack.yaml")
def config_example(as_json: Json = False) -> None:
    """Print a settings file with every key, its default and what it allows."""
    from embedstack.deploy import config_verbs as config_command

    with reporting("config example", as_json=as_json) as report:
        report.show(config_command.example())


@config.command("secrets", epilog="Example: embedstack config secrets")
def config_secrets(stack: Stack = None, file: Config = None, settings: Set = None, as_json: Json = False) -> None:
    """Show what nobody else may know: Open WebUI's first password, and the bridge's key."""
    from embedstack.deploy import config_verbs as config_command

    with reporting("config secrets", as_json=as_json) as report:
        name = stack_name(file, settings, stack)
        report.show(config_command.show_secrets(name, report.warn))


@config.command(
    "systemd",
    epilog="Example: embedstack config systemd > ~/.config/systemd/user/embedstack.service",
)
def config_systemd(stack: Stack = None, file: Config = None, settings: Set = None, as_json: Json = False) -> None:
    """Print a systemd user unit that keeps the stack running (native)."""
    from embedstack.deploy import config_verbs as config_command

    with reporting("config systemd", as_json=as_json) as report:
        loaded = load(file, settings, {"stack.name": stack})
        report.show(config_command.user_unit(loaded, os.environ, Path.cwd()))


@config.command("compose", epilog="Example: embedstack config compose > compose.yaml")
def config_compose_file(stack: Stack = None, file: Config = None, settings: Set = None, as_json: Json = False) -> None:
    """Print the Compose file that comes of all layers, without secrets (docker)."""
    from embedstack.deploy.stack import compose as compose_command

    with reporting("config compose", as_json=as_json) as report:
        given = {"stack.name": stack, "stack.mode": "docker"}
        report.show(compose_command.compose(load(file, settings, given).settings, report))
