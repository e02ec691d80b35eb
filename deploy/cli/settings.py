"""From what was typed to the settings."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from embedstack.deploy import advice
from embedstack.deploy.config import SCHEMA, Loaded, flag_of
from embedstack.deploy.config import load as load_config
from embedstack.deploy.config import stack_name as find_stack_name
from embedstack.deploy.ollama.address import address
from embedstack.deploy.settings import Settings


def load(
    config: Path | None,
    assignments: Sequence[str] | None,
    flags: Mapping[str, object | None],
    *,
    forget: bool = False,
) -> Loaded:
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
