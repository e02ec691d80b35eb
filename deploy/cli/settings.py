"""From what was typed to the settings."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.config import Loaded
from deploy.config import load as load_config
from deploy.ollama.address import address
from deploy.settings import Settings


def load(config: Path | None, assignments: Sequence[str] | None, flags: Mapping[str, object | None]) -> Loaded:
    """The settings, with `--set KEY=VALUE` and the flags that were given on top. InvalidSettings."""
    given = {key: value for key, value in flags.items() if value is not None}
    return load_config(given, os.environ, file=config, assignments=assignments or ())


def ollama_url(settings: Settings) -> str:
    """The Ollama that is meant: engine.url, else OLLAMA_HOST, else the stack's own."""
    return address(settings.engine.url, os.environ, settings.ports.ollama)
