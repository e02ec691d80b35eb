"""Modelfiles say what Ollama needs to know, and nothing that it would not apply."""

from pathlib import Path

import pytest

from embedstack.models import catalog
from embedstack.models.catalog import CatalogError
from embedstack.models.modelfile import Modelfile

MODEL = catalog.load().models["qwen3-embedding:4b"]
GOLDEN = """\
# qwen3-embedding:4b: `ollama create qwen3-embedding:4b -f Modelfile`
FROM /models/Qwen & Co/Qwen3-Embedding-4B-Q4_K_M.gguf
# One text of up to num_ctx tokens. Ollama's own default follows the GPU's memory and differs from machine to machine.
PARAMETER num_ctx 8192
# As large as the context: with Ollama's own default, texts have been cut in silence and runners have ended.
PARAMETER num_batch 8192
# No TEMPLATE and no SYSTEM: Ollama applies neither to embeddings. The instruction is the bridge's to add.
"""


def test_the_whole_file() -> None:
    """Context and batch are the catalogue's recommendation; comments stand on lines of their own, as Ollama demands."""
    assert Modelfile.of(MODEL, Path("/models/Qwen & Co/Qwen3-Embedding-4B-Q4_K_M.gguf")).text == GOLDEN


def test_another_context() -> None:
    """The batch follows the context."""
    text = Modelfile.of(MODEL, Path("a.gguf"), 2048).text
    assert "PARAMETER num_ctx 2048\n" in text
    assert "PARAMETER num_batch 2048\n" in text


@pytest.mark.parametrize("num_ctx", [-1, 40961])
def test_a_context_beyond_the_training_is_refused(num_ctx: int) -> None:
    """The message names the value and the limit."""
    with pytest.raises(CatalogError, match=rf"{num_ctx} is not from 1 to 40960"):
        Modelfile.of(MODEL, Path("a.gguf"), num_ctx)


def test_a_path_with_a_line_break_is_refused() -> None:
    """It would end the FROM line and begin an instruction of its own."""
    with pytest.raises(CatalogError, match="line break"):
        Modelfile.of(MODEL, Path("a\nPARAMETER num_ctx 1"))
