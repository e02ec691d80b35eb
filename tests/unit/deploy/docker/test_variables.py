"""What containers are given, and where secrets are. Pure but for the files written to a temporary folder."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from embedstack.deploy.docker import variables, written
from embedstack.deploy.docker.variables import ContainerHost
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.plan.plan import PlannedEngine
from tests.docker.plans import EMBEDDED, EXTERNAL, FOLDER, VLLM, FixedSecrets, plan

NOBODY = ContainerHost()
SECRETS = FixedSecrets()


class TestBridge:
    def test_ollama_by_its_service(self) -> None:
        """The bridge finds Ollama by its name on the stack's network, and listens for everyone on it."""
        reported = variables.bridge(plan(), NOBODY)

        assert reported["EMBED_BRIDGE_ENGINE_URL"] == "http://ollama:11434"
        assert reported["EMBED_BRIDGE_LISTEN_HOST"] == "0.0.0.0"  # noqa: S104
        assert "bridge" in json.loads(reported["EMBED_BRIDGE_SECURITY_ALLOWED_HOSTS"])

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]"])  # noqa: S104
    def test_an_ollama_of_this_machine(self, host: str) -> None:
        """A container's loopback is its own: this machine has another name in there."""
        reported = variables.bridge(plan(replace(EXTERNAL, url=f"http://{host}:11500/x")), NOBODY)

        assert reported["EMBED_BRIDGE_ENGINE_URL"] == "http://host.docker.internal:11500/x"

    def test_an_ollama_elsewhere(self) -> None:
        """Another machine is reached under its own name."""
        reported = variables.bridge(plan(replace(EXTERNAL, url="https://gpu.example.org")), NOBODY)

        assert reported["EMBED_BRIDGE_ENGINE_URL"] == "https://gpu.example.org"

    def test_embedded(self) -> None:
        """The GGUF is where its overlay mounts it."""
        reported = variables.bridge(plan(EMBEDDED), NOBODY)

        assert reported["EMBED_BRIDGE_ENGINE_GGUF"] == "/models/model.gguf"
        assert "EMBED_BRIDGE_ENGINE_URL" not in reported

    def test_vllm(self) -> None:
        """vLLM gives no vocabulary, so the bridge counts with the tokenizer in the model's folder."""
        reported = variables.bridge(plan(VLLM), NOBODY)

        assert reported["EMBED_BRIDGE_ENGINE_URL"] == "http://vllm:8000"
        assert reported["EMBED_BRIDGE_ENGINE_TOKENIZER"] == "/models/snapshots/0123abc/tokenizer.json"

    def test_other_machines_need_the_key(self) -> None:
        """Where the bridge is exposed it is known under this machine's names, and asks for its key."""
        reported = variables.bridge(plan(stack={"expose": "all"}), ContainerHost(names=("box", "192.0.2.7")))

        assert {"box", "192.0.2.7"} <= set(json.loads(reported["EMBED_BRIDGE_SECURITY_ALLOWED_HOSTS"]))
        assert variables.KEY_FILE in reported["EMBED_BRIDGE_SECURITY_API_KEYS"]


class TestCompose:
    def test_loopback_unless_exposed(self) -> None:
        """Nothing is published beyond this machine that was not asked for."""
        reported = variables.compose(plan(), Path("/run"), NOBODY)

        assert (reported["EMBEDSTACK_HOST_BRIDGE"], reported["EMBEDSTACK_HOST_WEBUI"]) == ("127.0.0.1", "127.0.0.1")

    def test_webui_alone_exposed(self) -> None:
        """`stack.expose: webui` leaves the bridge where it was."""
        reported = variables.compose(plan(stack={"expose": "webui"}), Path("/run"), NOBODY)

        assert (reported["EMBEDSTACK_HOST_BRIDGE"], reported["EMBEDSTACK_HOST_WEBUI"]) == ("127.0.0.1", "0.0.0.0")  # noqa: S104

    def test_the_folder_of_a_hub_snapshot(self) -> None:
        """All of the repository's folder is mounted: a snapshot is links into its blobs."""
        assert (FOLDER.parents[1], "/models/snapshots/0123abc") == variables.model_folder(FOLDER)
        assert (Path("/own"), "/models") == variables.model_folder(Path("/own"))

    def test_the_gpu_is_shared_out(self) -> None:
        """vLLM takes most of a GPU alone, and less than half beside Ollama."""
        alone = variables.compose(plan(VLLM), Path("/run"), NOBODY)
        beside = variables.compose(plan(beside=True), Path("/run"), NOBODY)

        assert (alone["EMBEDSTACK_VLLM_MEMORY"], beside["EMBEDSTACK_VLLM_MEMORY"]) == ("0.9", "0.45")

    def test_matryoshka(self) -> None:
        """vLLM allows the native dimension and none above it."""
        reported = variables.compose(plan(VLLM), Path("/run"), NOBODY)

        assert json.loads(reported["EMBEDSTACK_VLLM_OVERRIDES"])["matryoshka_dimensions"][-1] == 2560

    def test_no_secret(self) -> None:
        """The file of variables is named on command lines; no secret is in it."""
        reported = variables.compose(plan(stack={"expose": "all"}), Path("/run"), NOBODY)

        assert not {"a-secret-key", "a-password", "a-bridge-key"} & set(reported.values())


class TestStores:
    def test_pgvector_holds_whole_vectors(self) -> None:
        """Open WebUI cuts to 1536 numbers silently by default; PostgreSQL indexes 2560 in half precision alone."""
        reported = variables.webui(plan(webui={"vector_store": "pgvector"}), SECRETS)

        assert reported["PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH"] == "2560"
        assert reported["PGVECTOR_USE_HALFVEC"] == "True"

    def test_both_ends_know_the_password(self) -> None:
        """PostgreSQL's password is the one in Open WebUI's address, and not the key that it was made from."""
        password = variables.pgvector(SECRETS)["POSTGRES_PASSWORD"]

        assert password in variables.webui(plan(webui={"vector_store": "pgvector"}), SECRETS)["PGVECTOR_DB_URL"]
        assert "a-secret-key" not in password


class TestDotenv:
    def test_literal(self) -> None:
        """What Compose would fill in or unquote otherwise stands in single quotes."""
        assert variables.dotenv({"A": '$B "c" #d'}) == "A='$B \"c\" #d'\n"

    @pytest.mark.parametrize("value", ["it's", "two\nlines"])
    def test_what_cannot_be_written(self, value: str) -> None:
        """Refused with the variable's name, and without its value: it may be a secret."""
        with pytest.raises(InvalidSettings, match="A has an apostrophe") as refused:
            variables.dotenv({"A": value})
        assert value not in refused.value.message


class TestWritten:
    def test_only_its_user_may_read(self, tmp_path: Path) -> None:
        """A folder 0700; environments 0600; what is mounted may be read by the container's user."""
        run = tmp_path / "compose"
        written.write(plan(stack={"expose": "all"}), SECRETS, run, None, NOBODY)

        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (run, *run.iterdir())}
        assert modes.pop("compose") == 0o700
        assert modes.pop("bridge.key") == modes.pop("bridge-admin.key") == 0o444
        assert {0o600} == set(modes.values())

    def test_unchanged_files_are_left_alone(self, tmp_path: Path) -> None:
        """A second start with the same plan writes nothing: Docker mounts files by their inode."""
        written.write(plan(), SECRETS, tmp_path, None, NOBODY)
        before = {path: path.stat().st_ino for path in tmp_path.iterdir()}
        written.write(plan(), SECRETS, tmp_path, None, NOBODY)

        assert before == {path: path.stat().st_ino for path in tmp_path.iterdir()}

    def test_files_of_the_user(self, tmp_path: Path) -> None:
        """A catalogue and a configuration of one's own are mounted into the bridge, which is given their paths."""
        mine = tmp_path / "mine.yaml"
        mine.write_text("models: []\n")
        run = tmp_path / "compose"
        project = written.write(plan(model={"catalog": mine}, bridge={"config": mine}), SECRETS, run, None, NOBODY)

        own = json.loads(project.files[-1].read_text())["services"]["bridge"]
        assert f"{run}/catalog.yaml:/etc/embedstack/catalog.yaml:ro" in own["volumes"]
        assert own["environment"]["EMBED_BRIDGE_CONFIG"] == "/etc/embedstack/embed-bridge.yaml"
        assert "EMBED_BRIDGE_MODEL_CATALOG='/etc/embedstack/catalog.yaml'" in (run / "bridge.env").read_text()

    def test_an_unreadable_file_of_the_user(self, tmp_path: Path) -> None:
        """Reported before anything is started."""
        with pytest.raises(InvalidSettings, match=r"nowhere\.yaml cannot be read"):
            written.write(plan(bridge={"config": Path("/nowhere.yaml")}), SECRETS, tmp_path / "run", None, NOBODY)


def test_engine_kinds_are_covered() -> None:
    """Every kind of engine that a plan can have is passed to the bridge."""
    for kind in ("ollama", "embedded", "vllm"):
        assert variables.bridge(plan(PlannedEngine(kind=kind, managed=True, reason="")), NOBODY)[
            "EMBED_BRIDGE_ENGINE_KIND"
        ]
