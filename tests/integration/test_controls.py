"""Models that are wrong in one way each: the parity suite and the start-up gate refuse every one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import bridge
from tests.parity import Expected, disagreements, nfc, openai_embed
from tests.random_fixture import RandomFixture
from tests.reference.controls import CONTROLS, Control
from tests.reference.numpy_qwen3 import NumpyQwen3
from tests.reference.texts import PARITY_TEXTS
from tests.upstreams.llama import llama_child

# Short texts show a wrong EOS best: in 6,000 tokens one of them is lost.
SHORT = [text for text in nfc(PARITY_TEXTS) if 0 < len(text) < 80][::6]
THRESHOLDS = {"demo": 0.9999, "random": 0.999}


@pytest.fixture(scope="module")
def references(demo: DemoFiles, random_fixture: RandomFixture) -> dict[str, Expected]:
    return {
        "demo": Expected.of(NumpyQwen3.load(demo.hf), SHORT),
        "random": Expected.of(NumpyQwen3.load(random_fixture.hf), SHORT),
    }


# The random weights, with Qwen's whole vocabulary, take longer to write than the demo model's.
PARAMS = [
    pytest.param(control, id=control.name, marks=[pytest.mark.thorough] if control.base == "random" else [])
    for control in CONTROLS
]


@pytest.fixture(scope="module", params=PARAMS)
def control(request: pytest.FixtureRequest) -> Control:
    chosen: Control = request.param
    return chosen


@pytest.fixture(scope="module")
def wrong(control: Control, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return control.write_gguf(tmp_path_factory.mktemp("control") / "wrong.gguf")


@pytest.mark.thorough
@pytest.mark.parametrize("base", THRESHOLDS)
def test_the_suite_accepts_the_right_models(
    base: str, demo: DemoFiles, random_fixture: RandomFixture, references: dict[str, Expected]
) -> None:
    """What the suite says of a control counts only because it says nothing of the model that the control is made of."""
    gguf = {"demo": demo.gguf, "random": random_fixture.gguf}[base]
    with llama_child(gguf, model=base) as url:
        assert disagreements(openai_embed(url, base), references[base], THRESHOLDS[base]) == []


@pytest.mark.thorough
def test_the_parity_suite_refuses(control: Control, wrong: Path, references: dict[str, Expected]) -> None:
    """Each control differs from the reference for most texts, in vectors or in token counts."""
    with llama_child(wrong, model="wrong") as url:
        found = disagreements(openai_embed(url, "wrong"), references[control.base], THRESHOLDS[control.base])
    assert len(found) > len(SHORT) / 2


def test_the_start_up_gate_refuses(control: Control, wrong: Path, random_fixture: RandomFixture) -> None:
    """The bridge never serves a control: /readyz is 503 and names the check that failed, and so does a request."""
    arguments = ["--gguf", str(wrong), "--set", f"model.id={control.base}", "--set", "engine.threads=1"]
    with bridge(*arguments, *random_fixture.catalog_arguments, wait_ready=False) as service:
        state = service.wait_settled()
        answer = service.post("/api/embed", {"model": control.base, "input": "hello"})
    failed = [check["check"] for check in state["backends"][0]["checks"] if not check["ok"]]
    assert state["ready"] is False
    assert failed
    assert answer.status_code == 503
    assert failed[0] in answer.json()["error"]
