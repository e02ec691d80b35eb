"""The Compose files, in every combination, as the real `docker compose config` resolves them. Needs no daemon.

EMBEDSTACK_WRITE_GOLDEN=1 writes the golden files again; the difference is then for a person to read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedstack.deploy.console import Report
from embedstack.deploy.docker import cli, compose, written
from embedstack.deploy.docker.compose import overlays
from embedstack.deploy.docker.variables import ContainerHost
from tests.docker.plans import Combination, FixedSecrets, combinations, plan
from tests.paths import ROOT

pytestmark = [pytest.mark.needs("compose"), pytest.mark.usefixtures("plugin")]

GOLDEN = ROOT / "tests" / "golden" / "compose"
ALL = {one.name: one for one in combinations()}
WITHOUT_STORE = [name for name, one in ALL.items() if one.plan.settings.webui.vector_store == "chroma"]
STORES = ("pgvector", "weaviate", "qdrant")
WITH_STORE = [name for name in ALL if name.rpartition("+")[2] in STORES]
OTHER_STORES = ["ollama+pgvector@1024", "ollama+external-store"]
WRITTEN_DOWN = [*WITHOUT_STORE, *(f"ollama+{store}" for store in STORES), *OTHER_STORES]
PARTS = ("ollama", "vllm", "bridge", "bridge-bf16", "open-webui", *STORES)


def _resolve(one: Combination, folder: Path, *more: Path) -> dict[str, Any]:
    """What Compose makes of it, with the folders of this run and of this machine under fixed names."""
    run = folder / "run"
    machine = ContainerHost(names=("host.example.org",), groups=(44, 109))
    project = written.write(one.plan, FixedSecrets(), run, one.gpu, machine)
    argv = project.command(*(part for file in more for part in ("--file", str(file))), "config")
    reported = cli.run(argv, Report("test", as_json=True))
    for path, name in ((run, "/run/embedstack"), (compose.source_folder(), "/source")):
        reported = reported.replace(str(path), name)
    resolved: dict[str, Any] = yaml.safe_load(reported)
    return resolved


def _of_a_store(variable: str) -> bool:
    return variable.startswith(("PGVECTOR", "WEAVIATE", "QDRANT", "ENABLE_QDRANT", "VECTOR"))


def _golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((GOLDEN / f"{name}.yaml").read_text())
    return content


class TestResolved:
    @pytest.mark.parametrize("name", WRITTEN_DOWN)
    def test_as_written_down(self, name: str, tmp_path: Path) -> None:
        """Every combination of engine and GPU, and each store, is what its golden file says."""
        resolved = _resolve(ALL[name], tmp_path)
        if os.environ.get("EMBEDSTACK_WRITE_GOLDEN"):
            (GOLDEN / f"{name}.yaml").write_text(yaml.safe_dump(resolved, sort_keys=True, width=120))

        assert _golden(name) == resolved

    @pytest.mark.parametrize("name", WITH_STORE)
    def test_a_store_changes_nothing_else(self, name: str, tmp_path: Path) -> None:
        """With a store, all but Open WebUI and the store are as without it, and the store is the same everywhere."""
        without, _, store = name.rpartition("+")
        resolved, before = _resolve(ALL[name], tmp_path), _golden(without)
        after = resolved["services"]

        assert _golden(f"ollama+{store}")["services"][store] == after.pop(store)
        assert {store: {"condition": "service_healthy", "required": True}}.items() <= after["open-webui"].pop(
            "depends_on"
        ).items()
        before["services"]["open-webui"].pop("depends_on")
        environment = after["open-webui"]["environment"]
        own = {key: environment.pop(key) for key in list(environment) if _of_a_store(key)}
        assert before["services"]["open-webui"]["environment"].pop("VECTOR_DB") == "chroma"
        assert before["services"] == after
        assert own["VECTOR_DB"] == store

    def test_a_store_that_runs_already(self) -> None:
        """No service is added for it, and Open WebUI finds the way out of its container, password included."""
        webui = _golden("ollama+external-store")["services"].pop("open-webui")

        assert set(_golden("ollama+external-store")["services"]) == {"ollama", "bridge", "open-webui"}
        assert webui["extra_hosts"] == ["host.docker.internal=host-gateway"]
        address = "postgresql://me:a-store-password@host.docker.internal:5432/webui"
        assert webui["environment"]["PGVECTOR_DB_URL"] == address

    def test_another_size_is_another_column(self) -> None:
        """Of 1024 numbers PostgreSQL keeps and indexes whole ones, and Open WebUI asks for a model of that size."""
        reported = _golden("ollama+pgvector@1024")["services"]["open-webui"]["environment"]

        assert (reported["PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH"], reported["PGVECTOR_USE_HALFVEC"]) == (
            "1024",
            "False",
        )
        assert reported["RAG_EMBEDDING_MODEL"] == "qwen3-embedding:4b@1024"

    def test_no_golden_file_without_a_test(self) -> None:
        """What is written down is compared."""
        assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(WRITTEN_DOWN)

    def test_dev(self, tmp_path: Path) -> None:
        """The overlay for work on the bridge adds the sources of the checkout, read-only, and nothing else."""
        bridge = _resolve(ALL["ollama"], tmp_path, *compose.compose_files(("dev",))[1:])["services"]["bridge"]
        before = _golden("ollama")["services"]["bridge"]["volumes"]
        mounted = {volume["target"]: volume["source"] for volume in bridge["volumes"] if volume not in before}

        assert mounted == {f"/src/{name}": f"/source/{name}" for name in ("embedstack", "bridge", "modelfiles")}
        assert bridge["environment"]["PYTHONPATH"] == "/src"


class TestEveryService:
    @pytest.mark.parametrize("name", ALL)
    def test_is_one_that_the_plan_names(self, name: str, tmp_path: Path) -> None:
        """Compose starts what the plan lists, and has no service besides."""
        assert set(ALL[name].plan.parts) == set(_resolve(ALL[name], tmp_path)["services"])

    @pytest.mark.parametrize("part", PARTS)
    def test_is_held_short(self, part: str) -> None:
        """No capability but those that an image needs, no new privileges, logs that end, a health check, a restart."""
        found = [_golden(name)["services"].get(part) for name in WRITTEN_DOWN]
        allowed = {"pgvector": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}}.get(part, set())

        assert any(found)
        for service in filter(None, found):
            assert service["cap_drop"] == ["ALL"]
            assert set(service.get("cap_add", [])) == allowed
            assert service["security_opt"] == ["no-new-privileges:true"]
            assert service["logging"] == {"driver": "json-file", "options": {"max-file": "3", "max-size": "10m"}}
            assert service["restart"] == "unless-stopped"
            assert "start_interval" not in service["healthcheck"]
            assert service["ulimits"]["nofile"] == {"soft": 65536, "hard": 65536}

    @pytest.mark.parametrize("name", WRITTEN_DOWN)
    def test_listens_on_loopback(self, name: str) -> None:
        """Nothing is published to other machines that was not asked for, and a store to nobody."""
        parts = _golden(name)["services"]
        published = {part: {port["host_ip"] for port in parts[part].get("ports", [])} for part in parts}

        assert set(STORES).isdisjoint(part for part, addresses in published.items() if addresses)
        assert {"127.0.0.1"} == set().union(*published.values())


def test_images_are_variables(tmp_path: Path) -> None:
    """Every image can be another one, from a mirror for example, and none has a moving tag by default."""
    names = ("ollama", "ollama_rocm", "vllm", "webui", "bridge", *STORES)
    mirrored = {name: f"mirror.example.org/{name.replace('_', '-')}:1" for name in names}
    for engine in ("ollama", "ollama+rocm", "vllm+nvidia"):
        for store in STORES:
            base = ALL[engine]
            other = plan(base.plan.engine, images=mirrored, webui={"vector_store": store})
            resolved = _resolve(Combination("mirrored", other, base.gpu), tmp_path / f"{engine}-{store}")

            assert all(part["image"].startswith("mirror.example.org/") for part in resolved["services"].values())
    tags = [part["image"].rpartition(":")[2] for name in WRITTEN_DOWN for part in _golden(name)["services"].values()]
    assert {"latest", "main", ""}.isdisjoint(tags)


def test_overlays_are_all_resolved() -> None:
    """The combinations above leave no overlay out."""
    there = {path.name.split(".")[1] for path in compose.compose_files(())[0].parent.glob("compose.*.yaml")}

    assert there == {"dev"} | {name for one in ALL.values() for name in overlays(one.plan, one.gpu)}
