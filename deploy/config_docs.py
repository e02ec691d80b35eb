"""Writes embedstack.example.yaml and the table in docs/stack.md from the settings.

Run `python -m embedstack.deploy.config_docs` in the repository after a change of `deploy.settings`.
"""

from pathlib import Path

from embedstack.configuration import reference
from embedstack.deploy.config import SCHEMA

EXAMPLE = Path("embedstack.example.yaml")
DOCS = Path("docs/stack.md")

_HEAD = """\
# Every setting of the stack, each with its default. Copy what you change to embedstack.yaml, leave out the rest.
# From weak to strong: this file, the environment (EMBEDSTACK_PORTS_WEBUI=8080), flags (--set ports.webui=8080).
# Relative paths are relative to the file they stand in. `embedstack config show --sources` shows what holds, and why.
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
