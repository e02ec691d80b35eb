"""`embedstack model advise` on this machine: with a real bridge, and with what its processor multiplies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from typer.testing import CliRunner

from embedstack.deploy.cli.app import app
from tests.bridge_process import bridge
from tests.followed import good
from tests.random_fixture import RandomFixture

pytestmark = pytest.mark.usefixtures("nowhere")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No stack, and no Ollama that answers; a terminal of some width."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("EMBEDSTACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)


def _advice(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["model", "advise", "--json", *words])
    data: dict[str, Any] = json.loads(done.stdout)["data"]
    assert done.exit_code == data["exit_code"]
    return data


def test_a_bridge_that_runs_is_measured(random_fixture: RandomFixture, tmp_path: Path) -> None:
    """The model that it serves has its own speed, the others one by their parameters; --no-measure asks nobody."""
    entry = yaml.safe_load(random_fixture.catalog.read_text(encoding="utf-8"))
    entry["models"]["random"]["parameters"] = 100_000_000
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(entry, allow_unicode=True), encoding="utf-8")
    catalogue = ("--set", f"model.catalog={own}")
    with bridge("--gguf", str(random_fixture.gguf), *catalogue, "--set", "model.id=random") as found:
        at = (*catalogue, "--set", f"ports.bridge={urlsplit(found.url).port}")
        reported, silent = _advice(*at), _advice(*at, "--no-measure")
    rows = {(file["model"], file["precision"]): file for file in reported["files"]}
    mine, other = rows["random", "f16"], rows["qwen3-embedding:0.6b", "Q8_0"]

    assert (mine["speed"], other["speed"]) == ("measured", "estimated")
    assert other["tokens_per_second"] == pytest.approx(mine["tokens_per_second"] * 100_000_000 / 595_776_512)
    assert reported["measured"].startswith("random (f16) at http://127.0.0.1:")
    assert silent["measured"] == ""
    assert {file["speed"] for file in silent["files"]} == {"unknown"}


def test_the_processor_is_measured_where_it_is_asked_for() -> None:
    """Nothing runs: nothing is measured, and what is advised for it makes every speed an estimate."""
    said = good("model", "advise", "--set", "engine.cpu=true").advised("tokens/s: nothing was measured; ")
    measured = _advice(*said.command()[2:])

    assert "GFLOPS in NumPy" in measured["measured"]
    fitting = [file for file in measured["files"] if file["place"] != "none"]
    assert {file["speed"] for file in fitting} == {"estimated"}
    assert all(file["tokens_per_second"] > 0 for file in fitting)
