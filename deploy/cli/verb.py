"""The application, on which every module of this package hangs its verbs; the options that several have; and the way
from what was typed to the settings.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from embedstack.contract import PORT
from embedstack.deploy import advice
from embedstack.deploy.config import SCHEMA, LoadedSettings, flag_of
from embedstack.deploy.config import load as load_config
from embedstack.deploy.config import stack_name as find_stack_name
from embedstack.deploy.ollama.address import address
from embedstack.deploy.settings import Settings
from embedstack.host.addresses import LOOPBACK

app = typer.Typer(
    name="embedstack",
    help="Qwen3-Embedding on your own machine: the right vectors, no change to the client.",
    epilog="Exit status: 0 done, 1 failed, 2 not understood, 3 this machine is in the way, 4 a part that was started "
    "is not well, 5 something outside could not be had, 6 what is indexed could not be searched any more, "
    "130 interrupted. docs/embedstack.md has the codes behind them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


BRIDGE_URL = f"http://{LOOPBACK}:{PORT}"  # where a bridge listens unless told otherwise

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file. Default: ./embedstack.yaml, then the user's.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting, as ports.webui=8080; may be repeated."),
]
Stack = Annotated[str | None, typer.Option("--stack", help="Which stack, where there are several.")]


def load(
    config: Path | None,
    assignments: Sequence[str] | None,
    flags: Mapping[str, object | None],
    *,
    forget: bool = False,
) -> LoadedSettings:
    """The settings: what the stack was brought up with, `--set KEY=VALUE` and the flags that were given on top, or
    those alone with `forget`. InvalidSettings.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    loaded = load_config(given, os.environ, file=config, assignments=assignments or (), forget=forget)
    advice.about(loaded.settings.stack.name, typed(given, assignments or (), config))
    return loaded


def stack_name(config: Path | None, assignments: Sequence[str] | None, stack: str | None) -> str:
    """Which stack is meant, for verbs that ask it itself for the rest. InvalidSettings."""
    name = find_stack_name(stack, os.environ, file=config, assignments=assignments or ())
    advice.about(name)
    return name


def typed(flags: Mapping[str, object], assignments: Sequence[str], config: Path | None) -> list[advice.Words]:
    """What was typed, to be typed again. A secret is not shown."""
    short = [_words(key, value) for key, value in flags.items() if key != "stack.name"]
    rows = [assignment.partition("=") for assignment in assignments]
    shown = [f"{key}={SCHEMA.table[key].masked(text)}" for key, _, text in rows if key != "stack.name"]
    return [*short, *(("--set", text) for text in shown), *([("--config", str(config))] if config else [])]


def _words(key: str, value: object) -> advice.Words:
    flag = flag_of(key, value)
    return (flag,) if isinstance(value, bool) else (flag, str(value))


def ollama_url(settings: Settings) -> str:
    """The Ollama that is meant: engine.url, else OLLAMA_HOST, else the stack's own."""
    return address(settings.engine.url, os.environ, settings.ports.ollama)
