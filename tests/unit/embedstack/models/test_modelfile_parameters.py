"""The Modelfile's text says what goes over Ollama's API."""

from pathlib import Path

import pytest

from embedstack.models import catalog
from embedstack.models.model import Model
from embedstack.models.modelfile import Modelfile, as_shown, parameters, shown
from tests.paths import ROOT

GOLDEN = ROOT / "tests" / "golden" / "modelfiles"
MODELS = catalog.load().models


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_golden_files(model: Model) -> None:
    """What is rendered for every model of the catalogue is what was looked at, to the byte."""
    golden = (GOLDEN / f"{model.id.replace(':', '-')}.Modelfile").read_text(encoding="utf-8")
    assert Modelfile.of(model, Path("/models") / model.file().file).text == golden


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_text_and_the_parameters_say_the_same(model: Model) -> None:
    """What `ollama create -f` reads is what Ollama's API is sent, and nothing else is in the file."""
    made = Modelfile.of(model, Path("/models of mine/a & b") / model.file().file)
    lines = [line for line in made.text.splitlines() if not line.startswith("#")]
    assert lines == [f"FROM {made.gguf}", *(f"PARAMETER {name} {value}" for name, value in made.parameters.items())]


def test_what_ollama_shows() -> None:
    """Parameters in Ollama's listing, in any order and with its blanks, are those that were given."""
    listing = (
        "num_batch                      512\nuse_mmap                       false\nnum_ctx                        512"
    )
    assert shown(listing) == as_shown({**parameters(512), "use_mmap": False})
    assert shown("") == {}
