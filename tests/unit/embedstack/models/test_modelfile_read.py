"""The rendered Modelfile, read again, is what goes over Ollama's API."""

from pathlib import Path

import pytest

from embedstack.deploy.errors import InvalidModel
from embedstack.models import catalog
from embedstack.models.model import Model
from embedstack.models.modelfile import Modelfile, Value, as_shown, parameters, parse, render, shown
from tests.paths import ROOT

GOLDEN = ROOT / "tests" / "golden" / "modelfiles"
MODELS = catalog.load().models


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_golden_files(model: Model) -> None:
    """What is rendered for every model of the catalogue is what was looked at, to the byte."""
    golden = (GOLDEN / f"{model.id.replace(':', '-')}.Modelfile").read_text(encoding="utf-8")
    assert render(model, Path("/models") / model.file().file) == golden


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_what_is_rendered_is_read_again(model: Model) -> None:
    """File and parameters survive; nothing else is in it."""
    gguf = Path("/models of mine/a & b") / model.file().file
    assert parse(render(model, gguf)) == Modelfile(str(gguf), parameters(model.context.recommended))


@pytest.mark.parametrize(
    ("text", "source", "given"),
    [
        ('from "a b.gguf"', "a b.gguf", {}),
        ('FROM """a.gguf"""\n\n# PARAMETER num_ctx 1\n', "a.gguf", {}),
        ("FROM a\nparameter NUM_CTX 64\nPARAMETER num_ctx 128", "a", {"num_ctx": 128}),
        ("FROM a\nPARAMETER use_mmap false\nPARAMETER num_gpu 0", "a", {"use_mmap": False, "num_gpu": 0}),
    ],
)
def test_the_grammar(text: str, source: str, given: dict[str, Value]) -> None:
    """Commands in either case, quotes, comments, and of a parameter that is set twice the last."""
    assert parse(text) == Modelfile(source, given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PARAMETER num_ctx 64", "no FROM line"),
        ("FROM a\nPARAMETER num_ctx 64 # tokens", "Line 2 of the Modelfile: PARAMETER num_ctx cannot be '64 # tokens'"),
        ("FROM a\nPARAMETER keep_alive -1", "Line 2 of the Modelfile: PARAMETER keep_alive is not one of"),
        ("FROM a\nPARAMETER use_mmap maybe", "use_mmap cannot be 'maybe'"),
        ("FROM a\nTEMPLATE x", "Line 2 of the Modelfile: TEMPLATE is not for embeddings"),
        ("FROM a\nFROM b", "Line 2 of the Modelfile: FROM again"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    """Each with its line: nothing of a Modelfile is lost in silence."""
    with pytest.raises(InvalidModel, match=message):
        parse(text)


def test_what_ollama_shows() -> None:
    """Parameters in Ollama's listing, in any order and with its blanks, are those that were given."""
    listing = (
        "num_batch                      512\nuse_mmap                       false\nnum_ctx                        512"
    )
    assert shown(listing) == as_shown({**parameters(512), "use_mmap": False})
    assert shown("") == {}
