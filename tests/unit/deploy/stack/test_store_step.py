"""PostgreSQL's table of vectors before Open WebUI is started: kept, refused, or given up."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.console import Report
from embedstack.deploy.errors import IndexWouldBreak, PartNotReady
from embedstack.deploy.sites.site import Runner
from embedstack.deploy.stack import store_step
from embedstack.deploy.stack.steps import Doing
from embedstack.deploy.webui.index.guarded import GuardedIndex
from tests.docker.plans import plan

REPORT = Report("test", as_json=True)
NOWHERE = GuardedIndex(Path("/no/such/record.json"))


class Recorded(GuardedIndex):
    """A bridge that tells what it would make; whether it was kept that the index is unfinished, and when."""

    def facts(self, model: str, report: Report) -> IndexFacts | None:  # noqa: ARG002 -- as an index takes it
        return IndexFacts("0123456789abcdef", model, "f16", 2560, "qwen3", "", "fedcba9876543210")

    def keep(self, facts: IndexFacts | None, model: str, report: Report, *, complete: bool = True) -> None:  # noqa: ARG002
        assert facts is not None
        self.path.write_text(str(complete))


@dataclass
class Answering:
    """A runner in whose Open WebUI a PostgreSQL answers: a table as it is set, and every statement kept."""

    column: str | None
    index: str | None = None
    rows: int = 0
    asked: list[str] = field(default_factory=list)

    def in_webui(self, script: str, argument: str) -> str:
        assert "psycopg" in script
        self.asked.append(argument)
        if "pg_attribute" in argument:
            made_by = self.index and f"CREATE INDEX i ON t USING {self.index} (vector)"
            return json.dumps([[self.column, made_by]] if self.column else [])
        return json.dumps([[self.rows]] if "count" in argument else [])

    @property
    def changed(self) -> list[str]:
        return [statement for statement in self.asked if statement.startswith("DROP")]


def _prepare(answering: object, *, index: GuardedIndex = NOWHERE, reindex: bool = False) -> Doing:
    doing = Doing()
    made = plan(webui={"vector_store": "pgvector"})
    store_step.prepare(made, cast(Runner, answering), index, REPORT, doing, reindex=reindex)
    return doing


@pytest.mark.parametrize(
    "table", [Answering(None), Answering("halfvec(2560)", "hnsw", 7), Answering("halfvec(2560)", None, 7)]
)
def test_what_fits_is_left_alone(table: Answering) -> None:
    """No table yet, the right one, and the right one without its index."""
    assert _prepare(table).already
    assert table.changed == []


@pytest.mark.parametrize("column", ["vector(1536)", "vector(2560)", "halfvec(1024)"])
def test_vectors_of_another_type_are_not_given_up_unasked(column: str) -> None:
    """What is there, what is wanted, and the command that makes it so; nothing was changed."""
    table = Answering(column, "ivfflat", 1234)
    with pytest.raises(IndexWouldBreak, match=r"1,234 vectors as .*halfvec\(2560\) is wanted") as refused:
        _prepare(table)
    assert column in refused.value.message
    assert "`embedstack up --reindex`" in refused.value.advice
    assert table.changed == []


@pytest.mark.parametrize(("rows", "reindex"), [(1234, True), (0, False)])
def test_they_are_given_up_where_they_are_embedded_again_or_none_are_there(
    rows: int, reindex: bool, tmp_path: Path
) -> None:
    """Open WebUI makes the right table at its start; before, it is written down that its index is unfinished."""
    table, index = Answering("vector(1536)", None, rows), Recorded(tmp_path / "record")
    assert "vector(1536) given up for halfvec(2560)" in _prepare(table, index=index, reindex=reindex).detail
    assert table.changed == ["DROP TABLE document_chunk"]
    assert index.path.exists() == bool(rows)


def test_they_are_kept_where_nobody_tells_what_would_take_their_place() -> None:
    """Else an index without a record would be taken for a whole one."""
    table = Answering("vector(1536)", None, 1234)
    with pytest.raises(PartNotReady, match="1,234 vectors in PostgreSQL were left alone"):
        _prepare(table, reindex=True)
    assert table.changed == []


def test_an_index_of_another_method_alone_goes() -> None:
    """Open WebUI would end by it; the vectors stay."""
    table = Answering("halfvec(2560)", "ivfflat", 9000)
    assert "ivfflat index given up for hnsw" in _prepare(table).detail
    assert table.changed == ["DROP INDEX idx_document_chunk_vector"]


class Babbling:
    """A runner in whose Open WebUI something else answers."""

    def in_webui(self, script: str, argument: str) -> str:  # noqa: ARG002 -- as every runner takes it
        return "hello"


def test_what_is_no_answer_is_reported() -> None:
    """Not a traceback of ours."""
    with pytest.raises(PartNotReady, match="'hello'"):
        _prepare(Babbling())
