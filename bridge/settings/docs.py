"""Writes embed-bridge.example.yaml and the table in docs/configuration.md from the settings.

Run `python -m embedstack.bridge.settings.docs` in the repository after a change of `bridge.settings.structs`.
"""

from pathlib import Path

from embedstack.bridge.settings import SCHEMA
from embedstack.configuration import reference

EXAMPLE = Path("embed-bridge.example.yaml")
DOCS = Path("docs/configuration.md")

_HEAD = """\
# Every setting of embed-bridge, each with its default. Copy what you change to embed-bridge.yaml, leave out the rest.
# From weak to strong: this file, the environment (EMBED_BRIDGE_LISTEN_PORT=8080), flags (--set listen.port=8080).
# Relative paths are relative to the file they stand in. `embed-bridge --print-config` shows what holds, and why.
"""


def example() -> str:
    """The example file."""
    return reference.example(SCHEMA, _HEAD)


def document(text: str) -> str:
    """The documentation with the table between its two marks made anew; ValueError where a mark is missing."""
    return reference.document(SCHEMA, text, str(DOCS))


if __name__ == "__main__":
    EXAMPLE.write_text(example(), encoding="utf-8")
    DOCS.write_text(document(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
