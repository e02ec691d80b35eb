"""Open WebUI's one table of vectors in PostgreSQL, whose column has one length for ever.

Open WebUI ends at its start where the column is another than it is set to have (dbs/pgvector.py, check_vector_length).
Nothing is lost with the table: the texts are in Open WebUI's own database, and Reindex embeds them again from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from embedstack.deploy.errors import IndexWouldBreak
from embedstack.deploy.plan import stores

NAME, INDEX_NAME = "document_chunk", "idx_document_chunk_vector"
ADDRESS = "PGVECTOR_DB_URL"
SCRIPT = f"""import json, os, sys, psycopg
with psycopg.connect(os.environ["{ADDRESS}"], connect_timeout=10, options="-c lock_timeout=20s") as db:
    asked = db.execute(sys.argv[1])
    print(json.dumps(asked.fetchall() if asked.description else []))
"""
"""For Open WebUI's own Python, which has psycopg: runs one statement, prints its rows as JSON."""

Ask = Callable[[str], Sequence[Sequence[Any]]]
"""Runs one statement; its rows."""

# One statement for both: in containers each is a container of its own.
_LOOK = f"""
SELECT format_type(atttypid, atttypmod),
       (SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND indexname = '{INDEX_NAME}')
FROM pg_attribute WHERE attrelid = to_regclass('{NAME}') AND attname = 'vector'
"""  # noqa: S608 -- of constants


@dataclass(frozen=True)
class Table:
    """`column` as PostgreSQL writes its type, halfvec(2560); `index` its method, None where there is no index yet."""

    column: str
    index: str | None

    def fits(self, dimensions: int) -> bool:
        return self.column == stores.column(dimensions)

    @property
    def foreign_index(self) -> bool:
        """Whether Open WebUI would end because of the index alone."""
        return self.index is not None and self.index != stores.INDEX


def look(ask: Ask) -> Table | None:
    """None where Open WebUI has not made it yet."""
    rows = ask(_LOOK)
    if not rows:
        return None
    column, made_by = rows[0]
    method = str(made_by).lower().partition(" using ")[2].split(maxsplit=1)[0] if made_by else None
    return Table(str(column), method)


def count(ask: Ask) -> int:
    """How many vectors are in it."""
    return int(ask(f"SELECT count(*) FROM {NAME}")[0][0])  # noqa: S608 -- a constant


def drop(ask: Ask) -> None:
    """Open WebUI makes it again at its next start."""
    ask(f"DROP TABLE {NAME}")


def drop_index(ask: Ask) -> None:
    """The same, for the index alone; no vector is lost."""
    ask(f"DROP INDEX {INDEX_NAME}")


def refusal(table: Table, rows: int, dimensions: int) -> IndexWouldBreak:
    return IndexWouldBreak(
        f"PostgreSQL keeps {rows:,} vectors as {table.column}, and {stores.column(dimensions)} is wanted: "
        "Open WebUI would not start.",
        "`embedstack up --reindex` empties the table and embeds everything again from the texts that Open WebUI keeps. "
        "To keep the index, set back what you changed (model.id, model.dimensions).",
    )
