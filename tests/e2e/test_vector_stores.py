"""Open WebUI's vector stores, as `embedstack` sets them: whole vectors in each, and another size of them."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from embedstack.deploy.console import Report
from embedstack.deploy.plan import stores
from embedstack.deploy.plan.stores import StoreServer
from embedstack.deploy.settings import Store, WebuiSettings
from embedstack.deploy.webui import install
from tests.bridge_process import Bridge, bridge
from tests.client_docs import CHROMA, runnable
from tests.e2e.open_webui import OpenWebui, open_webui
from tests.e2e.postgres import Postgres, postgres
from tests.engines.process import free_port
from tests.engines.run import weaviate_server
from tests.paths import ROOT
from tests.stack_command import StackCommand, stack_command

COMPOSE = ROOT / "compose"
QUESTION, PASSAGE = "公司年假政策有哪些?", "带薪休假"
CHUNKS = 14  # more than the 10 that a Weaviate of its own defaults gives of a file
LINES = ["员工每年享有十五天带薪休假。", *(f"第{number}号差旅费用凭发票报销。" for number in range(1, CHUNKS))]
HANDBOOK = "\n\n".join(line * 4 for line in LINES).encode()  # two together are more than a chunk takes
NATIVE, SMALLER = 2560, 1024
SMALL = ("--set", f"model.dimensions={SMALLER}")


@pytest.fixture(scope="module")
def demo() -> Iterator[Bridge]:
    with bridge("--demo", "--set", "engine.threads=1") as running:
        yield running


def _installed(store: Store) -> None:
    """What the store needs in Open WebUI's environment, as `up` adds it."""
    made = install.ensure(WebuiSettings(vector_store=store), Report("test", as_json=True))
    assert made.complete


def _filled(webui: OpenWebui) -> str:
    """A knowledge base with a handbook of many small chunks."""
    webui.ask("POST", "/api/v1/retrieval/config/update", {"CHUNK_SIZE": 80, "CHUNK_OVERLAP": 0})
    knowledge = webui.knowledge("handbook")
    webui.upload("handbook.txt", HANDBOOK, knowledge=knowledge)
    return knowledge


def _switch(webui: OpenWebui, model: str) -> None:
    is_set = webui.ask("GET", "/api/v1/retrieval/embedding")
    fields = {name: value for name, value in is_set.items() if name.isupper()}
    record = {**fields, "RAG_EMBEDDING_MODEL": model, "ollama_config": is_set["ollama_config"]}
    webui.ask("POST", "/api/v1/retrieval/embedding/update", record)


def _reindex(webui: OpenWebui) -> None:
    """What its own button sends."""
    for path in ("knowledge/reindex", "knowledge/metadata/reindex", "memories/reindex"):
        webui.ask("POST", f"/api/v1/{path}")


def test_chroma_is_silent_until_it_is_reindexed(demo: Bridge, tmp_path: Path) -> None:
    """A question of another size finds nothing, and no error tells of it; a file is refused. Reindex mends both."""
    reported = stores.variables("chroma", NATIVE, None)
    with open_webui(tmp_path, demo.url, environ=reported) as webui:
        knowledge = _filled(webui)
        assert PASSAGE in webui.found(knowledge, QUESTION)[0]
        _switch(webui, f"demo@{SMALLER}")
        assert webui.found(knowledge, QUESTION) == []
        with pytest.raises(AssertionError, match=f"dimension of {NATIVE}, got {SMALLER}"):
            webui.upload("more.txt", "护照在前台。".encode(), knowledge=knowledge)
        _reindex(webui)
        assert PASSAGE in webui.found(knowledge, QUESTION)[0]


def test_the_documented_chroma_example(demo: Bridge) -> None:
    """docs/clients.md's, with the chromadb and the openai of Open WebUI: the text on leave is found."""
    code = runnable(CHROMA, demo.url)
    python = install.environment(WebuiSettings()).python

    run = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=300, check=False)

    assert run.returncode == 0, run.stderr
    assert run.stdout.count("annual leave") == 1


def test_weaviate_keeps_whole_vectors_of_all_chunks(demo: Bridge, tmp_path: Path) -> None:
    """Read back over its API: every chunk is in the knowledge base, 2560 numbers of norm 1; after Reindex 1024."""
    _installed("weaviate")
    overlay = yaml.safe_load((COMPOSE / "compose.weaviate.yaml").read_text())["services"]["weaviate"]["environment"]
    with weaviate_server(grpc := free_port(), env=overlay) as server:
        reported = stores.variables("weaviate", NATIVE, StoreServer(server.url, grpc_port=grpc))
        with open_webui(tmp_path, demo.url, environ=reported) as webui:
            knowledge = _filled(webui)
            assert PASSAGE in webui.found(knowledge, QUESTION)[0]
            assert _in_weaviate(server.url, knowledge) == [(NATIVE, 1.0)] * CHUNKS
            _switch(webui, f"demo@{SMALLER}")
            assert webui.found(knowledge, QUESTION) == []
            _reindex(webui)
            assert PASSAGE in webui.found(knowledge, QUESTION)[0]
            assert _in_weaviate(server.url, knowledge) == [(SMALLER, 1.0)] * CHUNKS


def _in_weaviate(url: str, knowledge: str) -> list[tuple[int, float]]:
    """Size and norm of each vector of a knowledge base."""
    name = knowledge.replace("-", "_")
    collection = name[0].upper() + name[1:] if name[0].isalpha() else f"C{name}"
    asked = {"class": collection, "include": "vector", "limit": "100"}
    found: list[dict[str, Any]] = requests.get(f"{url}/v1/objects", params=asked, timeout=30).json()["objects"]
    vectors = [one.get("vector") or one["vectors"]["default"] for one in found]
    return [(len(vector), round(math.hypot(*vector), 3)) for vector in vectors]


@dataclass(frozen=True)
class OnPgvector:
    """A stack that keeps its vectors in the database, with a handbook in a knowledge base."""

    command: StackCommand
    database: Postgres
    knowledge: str

    def found(self) -> list[str]:
        with _signed_in(self.command) as webui:
            return webui.found(self.knowledge, QUESTION)


@contextmanager
def _signed_in(command: StackCommand) -> Iterator[OpenWebui]:
    with closing(OpenWebui(command.webui)) as webui:
        webui.sign_in(password=command.data("config", "secrets")["secrets"]["webui_admin_password"])
        yield webui


@pytest.fixture(scope="module")
def on_pgvector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnPgvector]:
    folder = tmp_path_factory.mktemp("pgvector")
    password = folder / "password"
    password.write_text("p@ss/word\n")
    with postgres() as database:
        more = {
            "EMBEDSTACK_WEBUI_ENABLED": "true",
            "EMBEDSTACK_ENGINE_KIND": "embedded",
            "EMBEDSTACK_WEBUI_VECTOR_STORE": "pgvector",
            "EMBEDSTACK_WEBUI_VECTOR_STORE_URL": database.url,
            "EMBEDSTACK_WEBUI_VECTOR_STORE_KEY_FILE": str(password),
        }
        with stack_command(folder, **more) as command:
            command.data("up")
            with _signed_in(command) as webui:
                knowledge = _filled(webui)
            yield OnPgvector(command, database, knowledge)


def test_pgvector_holds_what_the_model_gives(on_pgvector: OnPgvector) -> None:
    """Read back from SQL: halfvec(2560) of norm 1, with an index; a smaller size is refused, then vector(1024)."""
    assert PASSAGE in on_pgvector.found()[0]
    assert _in_postgres(on_pgvector) == ("halfvec(2560)", CHUNKS, NATIVE, NATIVE, 1.0, 1.0, "hnsw")

    refused = on_pgvector.command.error("up", *SMALL)
    assert (refused["code"], refused["exit_code"]) == ("index_would_break", 6)
    assert PASSAGE in on_pgvector.found()[0]

    on_pgvector.command.data("up", "--reindex", *SMALL)
    assert PASSAGE in on_pgvector.found()[0]
    assert _in_postgres(on_pgvector) == ("vector(1024)", CHUNKS, SMALLER, SMALLER, 1.0, 1.0, "hnsw")


def test_a_table_that_open_webui_made_for_itself(on_pgvector: OnPgvector) -> None:
    """1536 numbers, whatever the model: shown before Open WebUI ends by it, with nothing lost; then embedded again."""
    on_pgvector.command.run("down")
    for record in on_pgvector.command.folder.glob("home/stacks/*/webui-index.json"):
        record.unlink()
    on_pgvector.database.rows("DROP INDEX idx_document_chunk_vector")
    on_pgvector.database.rows("ALTER TABLE document_chunk ALTER COLUMN vector TYPE vector(1536) USING NULL")
    (kept,) = on_pgvector.database.rows("SELECT count(*) FROM document_chunk")

    refused = on_pgvector.command.error("up", *SMALL)
    assert refused["code"] == "index_would_break"
    assert f"{kept[0]} vectors as vector(1536), and vector(1024) is wanted" in refused["message"]
    assert "`embedstack up --reindex`" in refused["advice"]
    assert on_pgvector.database.rows("SELECT count(*) FROM document_chunk") == [kept]

    on_pgvector.command.data("up", "--reindex", *SMALL)
    assert PASSAGE in on_pgvector.found()[0]
    assert _in_postgres(on_pgvector)[:2] == ("vector(1024)", CHUNKS)


def _in_postgres(stack: OnPgvector) -> tuple[object, ...]:
    """The type of the column, how many vectors, their fewest and most numbers, least and greatest norm, the index."""
    (column,) = stack.database.rows(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'document_chunk'::regclass AND attname = 'vector'"
    )
    norm = "sqrt(-(vector <#> vector))"  # the inner product: for both types, under one name
    (row,) = stack.database.rows(
        "SELECT count(*), min(vector_dims(vector)), max(vector_dims(vector)), "  # noqa: S608 -- of our own making
        f"round(min({norm})::numeric, 2), round(max({norm})::numeric, 2) "
        f"FROM document_chunk WHERE collection_name = '{stack.knowledge}'"
    )
    (index,) = stack.database.rows(
        "SELECT amname FROM pg_class JOIN pg_am ON pg_am.oid = relam WHERE relname = 'idx_document_chunk_vector'"
    )
    return column[0], *map(int, row[:3]), *map(float, row[3:]), index[0]
