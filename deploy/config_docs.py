"""Writes embedstack.example.yaml and the table in docs/stack.md from the settings.

Run `python -m embedstack.deploy.config_docs` in the repository after a change of `deploy.settings`.
"""

from pathlib import Path

from embedstack.configuration.reference import Pages
from embedstack.deploy.config import SCHEMA

_HEAD = """\
# Every setting of the stack, each with its default. Copy what you change to embedstack.yaml, leave out the rest.
# From weak to strong: this file, the environment (EMBEDSTACK_PORTS_WEBUI=8080), flags (--set ports.webui=8080).
# Relative paths are relative to the file they stand in. `embedstack config show --sources` shows what holds, and why.
"""
PAGES = Pages(SCHEMA, _HEAD, example=Path("embedstack.example.yaml"), document=Path("docs/stack.md"))

if __name__ == "__main__":
    PAGES.write()
