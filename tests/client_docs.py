"""docs/clients.md in its parts: the Python that people copy, what they want and set, the applications."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tests.paths import ROOT

DOCS = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
MODEL = "qwen3-embedding:4b"  # in the docs, as people set it
SERVED = "demo"  # by the bridges of the tests
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCS, flags=re.DOTALL)
CHROMA = [example for example in EXAMPLES if "import chromadb" in example]
OTHERS = [example for example in EXAMPLES if example not in CHROMA]


def runnable(examples: list[str], url: str, database: str = "") -> str:
    """One after the other, for the bridge at `url` and the PostgreSQL `database`; what each has `found` is printed."""
    shown = "print(*(str(one) for one in globals().pop('found', ())))\n"
    code = "".join(example + shown for example in examples)
    code = code.replace(MODEL, SERVED).replace("http://localhost:11435", url)
    return code.replace("postgresql://localhost/handbook", database)


@dataclass(frozen=True)
class Want:
    """A row of the first table: the fields to send with a query and with what is searched, and the name instead."""

    what: str
    query: dict[str, str]
    searched: dict[str, str]
    name: str


def wants() -> list[Want]:
    """What people may want."""
    rows = section("I want to find", level=2).split("|---|---|---|---|\n")[1].split("\n\n")[0].splitlines()
    cells = [[cell.strip(" `") for cell in row.strip("|").split(" | ")] for row in rows]
    return [
        Want(what, json.loads(query), json.loads(searched), name.replace(MODEL, SERVED))
        for what, query, searched, name in cells
    ]


def section(heading: str, *, level: int = 3) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    return re.split(rf"\n#{{2,{level}}} ", DOCS.split(f"\n{'#' * level} {heading}\n")[1])[0]
