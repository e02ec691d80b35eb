"""`embedstack config …`"""

import os
from pathlib import Path
from typing import Annotated

import typer

from embedstack.deploy.cli.verb import VerbRun, group, verb
from embedstack.deploy.console import Data

group("config", "Show and change the settings, and the files made from them.")


@verb("config show", "Example: embedstack config show --sources")
def show(
    run: VerbRun,
    sources: Annotated[bool, typer.Option("--sources", help="Also show where each value came from.")] = False,
) -> Data:
    """Show the value of every setting."""
    from embedstack.deploy import config_verbs

    return config_verbs.show(run.load(), with_sources=sources)


@verb("config set", "Example: embedstack config set ports.webui 8080", takes=("stack", "config"))
def set_(
    run: VerbRun,
    words: Annotated[list[str], typer.Argument(metavar="KEY VALUE …", help="Settings, each with its new value.")],
) -> Data:
    """Write settings into embedstack.yaml. Comments and other settings stay as they are."""
    from embedstack.deploy import config_verbs

    return config_verbs.set_values(words, os.environ, Path.cwd(), file=run.config, stack=run.stack)


@verb("config example", "Example: embedstack config example > embedstack.yaml")
def example() -> Data:
    """Print a settings file with every key, its default and the allowed values."""
    from embedstack.deploy import config_verbs

    return config_verbs.example()


@verb("config secrets", "Example: embedstack config secrets")
def secrets(run: VerbRun) -> Data:
    """Show the stack's secrets: Open WebUI's first password and the keys of the bridge."""
    from embedstack.deploy import config_verbs

    return config_verbs.show_secrets(run.stack_name(), run.report.warn)


@verb("config systemd", "Example: embedstack config systemd > ~/.config/systemd/user/embedstack.service")
def systemd(run: VerbRun) -> Data:
    """Print a systemd user unit that keeps a native stack running."""
    from embedstack.deploy import config_verbs

    return config_verbs.user_unit(run.load(), os.environ, Path.cwd())


@verb("config compose", "Example: embedstack config compose > compose.yaml")
def compose(run: VerbRun) -> Data:
    """Print the resolved Compose file of the stack, without secrets."""
    from embedstack.deploy.stack import planning

    return planning.compose(run.load(mode="docker").settings, run.report)
