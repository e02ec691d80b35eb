"""The library is used by its C API only where what is declared of it holds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from embedstack.bridge.llama import library
from embedstack.bridge.llama.library import LlamaContext, LlamaModel, NoRoom, Part, Unfit
from embedstack.models.demo.build import DemoFiles


def test_another_build_is_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "BUILDS", ("2020.1.1",))
    with pytest.raises(Unfit, match=r"xllamacpp .* is not one of the builds that are known: 2020\.1\.1"):
        library.open_library()


@pytest.mark.parametrize("name", sorted(library._CONTEXT_DEFAULTS))
def test_a_default_elsewhere_is_unfit(name: str) -> None:
    """A struct of another build has other values where these are declared."""
    right = dict(library._CONTEXT_DEFAULTS)
    library._check_defaults(SimpleNamespace(**right), library._CONTEXT_DEFAULTS)
    wrong = SimpleNamespace(**{**right, name: 77})
    with pytest.raises(Unfit, match=f"its parameters {name} are not where they are declared"):
        library._check_defaults(wrong, library._CONTEXT_DEFAULTS)


def test_a_file_that_is_no_model_is_unfit(demo: DemoFiles) -> None:
    file = demo.gguf.parent / "nothing.gguf"
    with pytest.raises(Unfit, match=r"llama\.cpp does not load"):
        LlamaModel(file, gpu_layers=0)


def test_a_full_cache_is_said_and_what_was_written_goes(demo: DemoFiles) -> None:
    """Cells that a batch has no room in; the next text has all of them again."""
    model = LlamaModel(demo.gguf, gpu_layers=0)
    context = LlamaContext(model, cells=256, sequences=2, batch=64, threads=1)
    ids = model.tokens("word " * 100)
    for start in range(0, 256, 64):
        context.decode([Part(1, ids[:64], start, ends=False)])
    with pytest.raises(NoRoom):
        context.decode([Part(0, ids[:64], 0, ends=True)])
    context.forget(1)
    assert len(context.decode([Part(0, ids[:64], 0, ends=True)])) == 1
