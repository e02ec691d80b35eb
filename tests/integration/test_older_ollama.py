"""An Ollama before 0.30: right vectors, and counts that leave the end of each text out (0.12.6 answers so)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests

from embedstack.deploy.console import Report
from embedstack.deploy.doctor import engines
from embedstack.deploy.doctor.ollama import running
from embedstack.deploy.ollama.server import Ollama
from embedstack.deploy.ollama.verify import check
from embedstack.deploy.smoke import run as smoke
from embedstack.deploy.smoke.run import SmokeTarget
from embedstack.models import catalog
from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import Bridge, bridge
from tests.upstreams import faults
from tests.upstreams.apis import OllamaApi
from tests.upstreams.llama import llama_child
from tests.upstreams.scripted import Fault, Vector, good, scripted

DEMO = catalog.load().find("demo").model
REPORT = Report("a test", as_json=True)
TEXTS = ["the first text", "第二段文字"]


class LeavesEndOfTextOut(OllamaApi):
    """As 0.12.6 was recorded: each text counts one token less than is embedded."""

    def __init__(self, version: str) -> None:
        listed = {"name": "demo:latest", "model": "demo:latest", "digest": "0" * 64, "size": 1}
        self.pages = {
            **OllamaApi.pages,
            "/api/version": {"version": version},
            "/api/tags": {"models": [listed]},
        }

    def answer(self, rows: Any, tokens: int, request: dict[str, Any]) -> dict[str, Any]:
        return super().answer(rows, tokens - len(rows), request)


def _leaning(vector: Vector) -> Vector:
    """Of length 1, and nearer to every other than it should be."""
    leaned = vector + np.float32(len(vector) ** -0.5)
    return leaned / np.linalg.norm(leaned)


@pytest.fixture(scope="module")
def real(demo: DemoFiles) -> Iterator[str]:
    """The real engine whose vectors and counts it has."""
    with llama_child(demo.gguf, model="demo") as url:
        yield url


def _front(url: str) -> Any:
    return bridge("--upstream", url, "--set", "model.id=demo", "--set", "engine.concurrency=1", wait_ready=False)


def _tokens(url: str) -> int:
    answer = requests.post(f"{url}/v1/embeddings", json={"model": "demo", "input": TEXTS}, timeout=60)
    return int(answer.json()["usage"]["prompt_tokens"])


def _checks(found: Bridge) -> list[str]:
    state = found.wait_settled()["backends"][0]
    return [one["check"] for one in state["checks"] if not one["ok"]]


@pytest.mark.parametrize("version", ["0.12.6", "0.0.0"])
def test_every_part_takes_it_for_usable(real: str, version: str) -> None:
    """Doctor, the check that `up` makes, the bridge's gate and the smoke test agree; counts include the end of text,
    also where it was built from source and says no version.
    """
    with scripted(real, LeavesEndOfTextOut(version)) as (url, _):
        seen = running(url)
        assert seen is not None
        assert {found.severity for found in engines.check_ollama(seen)} <= {"warning", "note"}
        with Ollama(url) as server:
            assert [one for one in check(server, "demo", DEMO, "f16") if not one.ok] == []
        found = smoke.run(SmokeTarget(url, "demo"), REPORT, paced=False)
        assert [one.name for one in found.failed if "token" in one.name] == []
        with _front(url) as before:
            assert _checks(before) == []
            answer = before.post("/api/embed", {"model": "demo", "input": TEXTS}).json()

    assert answer["prompt_eval_count"] == _tokens(real)


@pytest.mark.parametrize(
    ("version", "fault", "refused"),
    [
        ("0.12.6", faults.rows(lambda vectors: [_leaning(vector) for vector in vectors]), "reference scores"),
        ("0.34.4", good, "token counts"),
    ],
    ids=["wrong vectors", "a newer one"],
)
def test_what_is_wrong_is_refused_all_the_same(real: str, version: str, fault: Fault, refused: str) -> None:
    """Vectors decide, which no count makes up for; one that counts the end of text and does not here lacks it."""
    with scripted(real, LeavesEndOfTextOut(version)) as (url, upstream):
        upstream.play(check=fault)
        with _front(url) as before:
            assert any(one.startswith(refused) for one in _checks(before))
