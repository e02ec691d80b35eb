"""Writes embed-bridge.example.yaml and the table in docs/configuration.md from the settings.

Run `python -m embedstack.bridge.settings.docs` in the repository after a change of `bridge.settings.structs`.
"""

from pathlib import Path

from embedstack.bridge.settings import SCHEMA
from embedstack.configuration.reference import Pages

_HEAD = """\
# Every setting of embed-bridge, each with its default. Copy what you change to embed-bridge.yaml, leave out the rest.
# From weak to strong: this file, the environment (EMBED_BRIDGE_LISTEN_PORT=8080), flags (--set listen.port=8080).
# Relative paths are relative to the file they stand in. `embed-bridge --print-config` shows what holds, and why.
"""
PAGES = Pages(SCHEMA, _HEAD, example=Path("embed-bridge.example.yaml"), document=Path("docs/configuration.md"))

if __name__ == "__main__":
    PAGES.write()
