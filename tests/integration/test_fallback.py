"""llama.cpp's C API and its server make the same vectors, and where the one cannot serve, the other does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import bridge
from tests.random_fixture import MODEL, RandomFixture
from tests.reference import controls, texts

ONE_THREAD = ("--set", "engine.threads=1")
BY_API, BY_SERVER = (("--set", f"engine.interface={interface}") for interface in ("api", "server"))
INSTEAD = "The model runs on llama.cpp's server instead"


@pytest.fixture(scope="module")
def mean_pooled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose vectors are not the state at the last token."""
    [control] = [one for one in controls.CONTROLS if one.name == "mean pooling"]
    return control.write_gguf(tmp_path_factory.mktemp("mean") / "mean.gguf")


def test_what_the_c_api_cannot_serve_runs_on_the_server(mean_pooled: Path) -> None:
    """The log says why; the gate then judges the vectors, as it does those of every engine."""
    with bridge("--gguf", str(mean_pooled), "--set", "model.id=demo", *ONE_THREAD, wait_ready=False) as running:
        state = running.wait_settled()
        log = running.log.read_text(encoding="utf-8")
    assert state["backends"][0]["state"] == "refused"
    assert "a qwen3 model with pooling 1 is not computed in slices" in log
    assert INSTEAD in log


def test_the_c_api_alone_refuses_it(mean_pooled: Path) -> None:
    """With `engine.interface: api` nothing else is tried, and /readyz has the reason."""
    wrong = ("--gguf", str(mean_pooled), "--set", "model.id=demo", *BY_API)
    with bridge(*wrong, wait_ready=False) as running:
        [backend] = running.wait_state()["backends"]
    assert backend["reason"] == (
        "llama.cpp's C API is not used: a qwen3 model with pooling 1 is not computed in slices."
    )


@pytest.mark.parametrize("model", ["demo", MODEL])
def test_both_make_the_same_vectors(model: str, demo: DemoFiles, random_fixture: RandomFixture) -> None:
    """In f16, of constructed and of random weights: short and long texts, alone and together, as document and query."""
    gguf = {"demo": demo.gguf, MODEL: random_fixture.gguf}[model]
    known = ("--gguf", str(gguf), "--set", f"model.id={model}", "--set", "model.precision=f16", *ONE_THREAD)
    known += random_fixture.catalog_arguments
    long = " ".join(f"{number} 年假 leave" for number in range(200))
    asked = [*texts.SHORT, *texts.CHINESE, *texts.SPECIAL, *texts.INSTRUCTED, long]
    found = []
    for interface in (BY_API, BY_SERVER):
        with bridge(*known, *interface) as running:
            rows = running.embed(*asked, model=model, input_type="query") + running.embed(*asked, model=model)
            rows += [running.embed(text, model=model)[0] for text in asked[-3:]]
            found.append(np.asarray(rows))
            assert INSTEAD not in running.log.read_text(encoding="utf-8")
    assert np.sum(found[0] * found[1], axis=1).min() > 0.99999
