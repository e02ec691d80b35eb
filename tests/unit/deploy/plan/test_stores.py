"""What Open WebUI is given for its vector store, and what is refused before it is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from embedstack.deploy.docker import variables, written
from embedstack.deploy.docker.argv import Project
from embedstack.deploy.doctor import webui as doctor
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.native import parts
from embedstack.deploy.native.parts import PartSurroundings
from embedstack.deploy.places import Places
from embedstack.deploy.plan import stores
from embedstack.deploy.plan.plan import Mode
from embedstack.deploy.plan.stores import StoreServer
from embedstack.deploy.settings import Settings, Store, WebuiSettings
from embedstack.deploy.sites.docker import Docker
from embedstack.deploy.sites.native import Native
from embedstack.deploy.stack import store_step
from embedstack.deploy.webui import install
from embedstack.deploy.webui.pgvector_table import SCRIPT
from tests.docker.plans import FixedSecrets, plan, settings

POSTGRES = "postgresql://me@db:5432/webui"


class TestVariables:
    def test_chroma_is_named(self) -> None:
        """So that no variable of an image or a shell chooses another."""
        assert stores.variables("chroma", 2560, None) == {"VECTOR_DB": "chroma"}

    @pytest.mark.parametrize(
        ("dimensions", "halfvec", "column"),
        [
            (4000, "True", "halfvec(4000)"),
            (2560, "True", "halfvec(2560)"),
            (2001, "True", "halfvec(2001)"),
            (2000, "False", "vector(2000)"),
            (1024, "False", "vector(1024)"),
        ],
    )
    def test_pgvector_has_exactly_the_models_length(self, dimensions: int, halfvec: str, column: str) -> None:
        """Half precision only where an index takes no whole numbers: above 2000."""
        reported = stores.variables("pgvector", dimensions, StoreServer(POSTGRES))
        assert reported["PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH"] == str(dimensions)
        assert reported["PGVECTOR_USE_HALFVEC"] == halfvec
        assert reported["PGVECTOR_INDEX_METHOD"] == "hnsw"
        assert stores.column(dimensions) == column

    def test_a_password_is_quoted_into_the_address(self) -> None:
        """Whatever is in it, and only in what Open WebUI alone reads."""
        server = StoreServer(POSTGRES, "p@ss/w:rd")
        reported = stores.variables("pgvector", 1024, server)
        assert reported["PGVECTOR_DB_URL"] == "postgresql://me:p%40ss%2Fw%3Ard@db:5432/webui"
        assert "p@ss" not in repr(server)
        assert "PGVECTOR_DB_URL" in stores.SECRETS

    def test_weaviate_by_host_and_both_ports(self) -> None:
        """Plain HTTP, or TLS for both; a key only where there is one."""
        plain = stores.variables("weaviate", 2560, StoreServer("http://db:8085", grpc_port=50052))
        assert plain == {
            "VECTOR_DB": "weaviate",
            "WEAVIATE_HTTP_HOST": "db",
            "WEAVIATE_HTTP_PORT": "8085",
            "WEAVIATE_HTTP_SECURE": "False",
            "WEAVIATE_GRPC_HOST": "db",
            "WEAVIATE_GRPC_PORT": "50052",
            "WEAVIATE_GRPC_SECURE": "False",
        }
        secure = stores.variables("weaviate", 2560, StoreServer("https://db.example.org", "the key"))
        assert (secure["WEAVIATE_HTTP_PORT"], secure["WEAVIATE_GRPC_SECURE"]) == ("443", "True")
        assert secure["WEAVIATE_API_KEY"] == "the key"

    def test_qdrant_keeps_each_knowledge_base_for_itself(self) -> None:
        """In one collection for all, another size would break them all until somebody drops it."""
        reported = stores.variables("qdrant", 2560, StoreServer("http://db:6333", "the key"))
        assert reported["ENABLE_QDRANT_MULTITENANCY_MODE"] == "False"
        assert (reported["QDRANT_URI"], reported["QDRANT_API_KEY"]) == ("http://db:6333", "the key")


class TestRefused:
    def test_more_dimensions_than_an_index_takes(self) -> None:
        """The 8B's 4096 with pgvector: reported with the setting that cuts them, instead of a cut that nobody sees."""
        with pytest.raises(InvalidSettings, match="at most 4000 dimensions; the model has 4096") as refused:
            stores.check("pgvector", 4096, None)
        assert "model.dimensions" in refused.value.advice

    @pytest.mark.parametrize(
        ("store", "url"),
        [
            ("pgvector", "http://db"),
            ("pgvector", "postgres://me@db/webui"),
            ("weaviate", POSTGRES),
            ("qdrant", "http://db:port"),
            ("qdrant", "http://"),
        ],
    )
    def test_an_address_of_another_kind(self, store: Store, url: str) -> None:
        """With one that would do, and without the value: it may hold a password."""
        with pytest.raises(InvalidSettings, match=f"is not an address of {store}") as refused:
            stores.check(store, 1024, url)
        assert url not in refused.value.message
        assert "HOST" in refused.value.advice

    def test_a_password_in_the_address(self) -> None:
        """Settings are read by others, and printed."""
        with pytest.raises(InvalidSettings, match="has a password in it") as refused:
            stores.check("pgvector", 1024, "postgresql://me:secret@db/webui")
        assert "secret" not in refused.value.message + refused.value.advice

    def test_an_address_for_chroma(self) -> None:
        """It would have no effect."""
        with pytest.raises(InvalidSettings, match="chroma, which is inside Open WebUI"):
            stores.check("chroma", 1024, "http://db")

    @pytest.mark.parametrize("store", ["pgvector", "weaviate", "qdrant"])
    def test_native_starts_no_server(self, store: Store) -> None:
        """The two ways on are named; in containers the stack has one of its own."""
        wanted = settings(webui={"vector_store": store})
        with pytest.raises(InvalidSettings, match="the stack starts none") as refused:
            store_step.store_server(wanted, Native(), 1024)
        assert "webui.vector_store_url" in refused.value.advice
        assert "--mode docker" in refused.value.advice
        assert store_step.store_server(wanted, Docker(), 1024) is None

    @pytest.mark.parametrize(
        ("content", "problem"), [(None, "cannot be read"), ("", "holds no key"), ("a\nb", "one line")]
    )
    def test_a_file_that_holds_no_password(self, content: str | None, problem: str, tmp_path: Path) -> None:
        """The path is reported, and never what is in it."""
        if content is not None:
            (tmp_path / "key").write_text(content)
        wanted = _external(tmp_path / "key")
        with pytest.raises(InvalidSettings, match=problem):
            store_step.store_server(wanted, Native(), 1024)


def _external(key_file: Path) -> Settings:
    return Settings(
        webui=WebuiSettings(vector_store="pgvector", vector_store_url=POSTGRES, vector_store_key_file=key_file)
    )


def test_a_native_open_webui_is_given_the_server_and_its_password(tmp_path: Path) -> None:
    """From the file, without its last line break; and it is never shown."""
    (tmp_path / "key").write_text("word\n")
    wanted = _external(tmp_path / "key")
    made = replace(plan(webui={"vector_store": "pgvector", "vector_store_url": POSTGRES}), mode="native")
    made = replace(made, store=store_step.store_server(wanted, Native(), 2560))
    specs = parts.specs(made, FixedSecrets(), Places(Path("/stack")), PartSurroundings(webui=Path("/w/bin/open-webui")))
    (webui,) = [spec for spec in specs if spec.name == "open-webui"]
    assert webui.environment["PGVECTOR_DB_URL"] == "postgresql://me:word@db:5432/webui"
    assert webui.shown["PGVECTOR_DB_URL"] == "***"
    assert "word" not in repr(made)


def test_what_a_store_needs_comes_at_the_version_that_open_webui_names() -> None:
    """Beside Open WebUI itself, whose own pins must not give way; nothing for Chroma."""
    metadata = (
        "Requires-Dist: chromadb==1.5.9\nRequires-Dist: pgvector==0.4.2; extra == 'all'\n"
        "Requires-Dist: pgvector==0.4.2; extra == 'postgres'\n"
    )
    assert install.pinned(metadata, ("pgvector", "psycopg2-binary")) == ("pgvector==0.4.2", "psycopg2-binary")
    assert stores.PACKAGES["chroma"] == ()
    python = Path("/env/bin/python")
    assert install.command(python, None, "0.12.4", ("a==1",))[-2:] == ["open-webui==0.12.4", "a==1"]
    assert install.command(python, Path("/bin/uv"), "0.12.4", ("a==1",))[:3] == ["/bin/uv", "pip", "install"]


class TestDoctor:
    @pytest.mark.parametrize(
        ("mode", "answers", "expected"),
        [("native", False, ["blocker"]), ("docker", False, ["warning"]), ("native", True, []), ("native", None, [])],
    )
    def test_a_server_that_does_not_answer(self, mode: Mode, answers: bool | None, expected: list[str]) -> None:
        """Open WebUI would end at its start; a container may know a name that this machine does not."""
        made = replace(plan(webui={"vector_store": "qdrant"}), mode=mode, store=StoreServer("http://127.0.0.1:1"))
        assert [found.severity for found in doctor.check_stores(made, answers)] == expected

    def test_a_weaviate_of_somebody_else(self) -> None:
        """Its own defaults drop all but ten chunks of a file: the message says how to start it."""
        made = replace(plan(webui={"vector_store": "weaviate"}), store=StoreServer("http://127.0.0.1:1"))
        assert [found.id for found in doctor.check_stores(made, True)] == ["WEAVIATE-LIMIT"]

    def test_nothing_is_said_of_the_stacks_own(self) -> None:
        """It is started with the right settings."""
        assert list(doctor.check_stores(plan(webui={"vector_store": "weaviate"}), None)) == []

    def test_what_listens_is_reached_and_a_socket_in_a_folder_is_not_asked(self) -> None:
        """By a connection alone."""
        assert doctor.reached("http://127.0.0.1:1") is False
        assert doctor.reached("postgresql://me@/webui?host=/run/postgresql") is None


def test_what_is_printed_of_the_compose_file_has_no_password() -> None:
    """`config compose` shows what Open WebUI is given, but for secrets."""
    made = replace(plan(webui={"vector_store": "qdrant"}), store=StoreServer("http://db:6333", "the key"))
    shown = variables.webui(written.hidden(made), written.Hidden())
    assert shown["QDRANT_API_KEY"] == "(secret)"
    assert variables.webui(made, FixedSecrets())["QDRANT_API_KEY"] == "the key"


def test_postgresql_is_asked_from_a_container_like_open_webuis() -> None:
    """One of its own that is gone afterwards; its address and password are in no argument."""
    argv = Project("stack", (Path("/c.yaml"),), Path("/v")).run("open-webui", "python3", "-c", SCRIPT, "SELECT 1")
    assert argv[argv.index("run") :][:5] == ["run", "--rm", "--no-deps", "--no-TTY", "open-webui"]
    assert "postgresql" not in " ".join(argv)
