"""In what the two sites of a stack differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from embedstack.deploy.errors import Blocked, NotRunning
from embedstack.deploy.places import Places
from embedstack.deploy.plan.engines import Facts
from embedstack.deploy.plan.plan import Mode
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites.docker import Docker
from embedstack.deploy.sites.found import site
from embedstack.deploy.sites.native import Native
from embedstack.models import catalog
from tests.unit.deploy.doctor.stacks import planned

MODEL = catalog.load().find("qwen3-embedding:4b").model


def _settings(engine: dict[str, Any]) -> Settings:
    return msgspec.convert({"engine": engine}, Settings)


@pytest.mark.parametrize(("mode", "url"), [("native", "http://127.0.0.1:4711"), ("docker", "http://bridge:11435")])
def test_open_webui_reaches_the_bridge_by_the_network_that_it_is_on(mode: Mode, url: str) -> None:
    """A process by the port that is published; a container by the bridge's name and own port, whatever is published."""
    assert site(mode).bridge_url(planned({"ports": {"bridge": 4711}})) == url


@pytest.mark.parametrize(
    ("given", "kind", "managed", "url"),
    [
        ({}, "ollama", True, "http://127.0.0.1:11434"),
        ({"url": "http://gpu-host:11434"}, "ollama", False, "http://gpu-host:11434"),
        ({"kind": "vllm"}, "vllm", True, "http://127.0.0.1:8000"),
        ({"kind": "embedded"}, "embedded", True, None),
    ],
)
def test_containers_bring_every_engine_along(given: dict[str, Any], kind: str, managed: bool, url: str | None) -> None:
    """Nothing has to be on this machine: each engine has its image, but for an Ollama that is named."""
    made = Docker().engine(_settings(given), MODEL, Facts("http://127.0.0.1:11434"))

    assert (made.kind, made.managed, made.url) == (kind, managed, url)


def test_processes_need_an_engine_on_this_machine() -> None:
    """vLLM that is asked for and nowhere installed is a blocker; what to do about it is reported."""
    with pytest.raises(Blocked, match="no program `vllm` on PATH") as refused:
        Native().engine(_settings({"kind": "vllm"}), MODEL, Facts("http://127.0.0.1:11434"))

    assert "vllm.program" in refused.value.advice


def test_whether_open_webui_ran_is_seen_at_its_data(tmp_path: Path) -> None:
    """A process leaves its database in the stack's folder; of a container only `up`'s record is left to see."""
    places = Places(tmp_path)
    assert (Native().webui_ran(places), Docker().webui_ran(places)) == (False, False)

    places.plan.write_bytes(b"{}")
    assert (Native().webui_ran(places), Docker().webui_ran(places)) == (False, True)

    database = places.data / "open-webui" / "webui.db"
    database.parent.mkdir(parents=True)
    database.touch()
    assert Native().webui_ran(places)


def test_only_a_process_needs_open_webui_installed() -> None:
    """An image has it in it."""
    assert Native().webui_environment(Settings()) is not None
    assert Docker().webui_environment(Settings()) is None


def test_a_script_for_open_webuis_database_runs_where_that_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its container; or by the Python of its environment, which has to be there."""
    monkeypatch.setenv("EMBEDSTACK_CACHE", str(tmp_path))
    inside = Docker().webui_python("mine", Settings(), Places(tmp_path))

    assert inside.argv[-4:] == ("exec", "-T", "open-webui", "python3")
    assert inside.database == "/app/backend/data/webui.db"
    with pytest.raises(NotRunning, match="has never run"):
        Native().webui_python("mine", Settings(), Places(tmp_path))
