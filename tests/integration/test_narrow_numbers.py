"""A model that overflows in f16 by a text's first token: refused by its trap texts, and right in bf16 and Q8_0.

The model is constructed for this (tests/reference/overflow_model.py): Qwen3-Embedding-8B is too large for a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from embedstack.bridge.text import vocabulary
from tests.bridge_process import Bridge, bridge
from tests.engines.process import children
from tests.reference import overflow_model
from tests.reference.overflow_model import ARCHITECTURE, PRECISIONS

GOLDEN = ("hello", "the annual days", "(leave) of absence", "a question about money")
TRAPS = ("1", "- item", "leave", "重要")
SMALL = ("--set", "engine.context=512", "--set", "engine.threads=1")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("overflow")
    return {name: overflow_model.write(folder / f"{name}.gguf", name) for name in PRECISIONS}


@contextmanager
def served(files: dict[str, Path], precision: str, traps: tuple[str, ...]) -> Iterator[Bridge]:
    """A bridge with the model at a precision, by a catalogue that has these trap texts and no scores."""
    gguf = files[precision]
    tokenizer = vocabulary.load(gguf)
    listed = [
        {
            "quantisation": name,
            "repository": None,
            "revision": None,
            "file": file.name,
            "bytes": 1,
            "sha256": "0" * 64,
        }
        for name, file in files.items()
    ]
    entry = {
        "hub_id": None,
        "parameters": None,
        "dimensions": ARCHITECTURE.hidden,
        "context": {"trained": 512, "recommended": 512},
        "kv_bytes_per_token": None,
        "reasons": {"parameters": "a fixture", "kv_bytes_per_token": "a fixture"},
        "header": {"required": {"general.architecture": "qwen3"}},
        "default_quantisation": "bf16",
        "unsound": {"f16": "it overflows by the first token of a text"},
        "files": listed,
        "reference": {
            "texts": list(GOLDEN),
            "tokens": [len(tokenizer.encode(text).ids) + 1 for text in GOLDEN],
            "traps": list(traps),
        },
    }
    catalog = gguf.with_name("catalog.yaml")
    catalog.write_text(yaml.safe_dump({"models": {"narrow": entry}}, allow_unicode=True), encoding="utf-8")
    known = ("--set", f"model.catalog={catalog}", "--set", "model.id=narrow")
    with bridge("--gguf", str(gguf), *known, *SMALL, wait_ready=False) as running:
        yield running


@pytest.mark.parametrize(("precision", "ready"), [("f16", False), ("bf16", True), ("Q8_0", True)])
def test_trap_texts_find_numbers_that_are_too_narrow(files: dict[str, Path], precision: str, ready: bool) -> None:
    """The golden texts pass at every precision; the trap texts in f16 do not, and the words name what to take."""
    with served(files, precision, TRAPS) as running:
        state = running.wait_settled()
        failed = [check for check in state["backends"][0]["checks"] if not check["ok"]]
        assert state["ready"] is ready
        assert [check["check"] for check in failed] == ([] if ready else ["trap texts"])
        if not ready:
            assert "bf16 or Q8_0, not f16" in failed[0]["detail"]


def test_a_text_that_is_nan_every_time_restarts_a_real_engine_once(files: dict[str, Path]) -> None:
    """Without trap texts the engine serves: of five requests the first restarts it, all name the text, and every other
    text is served."""
    with served(files, "f16", ()) as running:
        assert running.wait_settled()["ready"]
        (before,) = children(running.pid, "python")
        for _ in range(5):
            answer = running.post("/api/embed", {"model": "narrow", "input": ["hello", "leave it", "well"]})
            assert (answer.status_code, answer.headers["X-Embed-Error"]) == (502, "engine_vectors_broken")
            assert "input 1" in answer.json()["error"]
        assert running.log.read_text().count("the embedded engine ended") == 1
        assert children(running.pid, "python") != [before]
        answer = running.post("/api/embed", {"model": "narrow", "input": ["hello", "well", "the leave"]})
        assert answer.status_code == 200
