"""The random-weights fixture as a model that a bridge can serve: its files, and a catalogue that knows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.reference import random_model

MODEL = "random"


@dataclass(frozen=True)
class RandomFixture:
    """4 layers of random weights, 256 dimensions, Qwen's real vocabulary."""

    gguf: Path
    hf: Path
    catalog: Path

    @property
    def catalog_arguments(self) -> tuple[str, ...]:
        return ("--set", f"model.catalog={self.catalog}")


def make(folder: Path) -> RandomFixture:
    """The model from the cache, and its catalogue in `folder`."""
    model = random_model.build()
    catalog = folder / "random-catalog.yaml"
    catalog.write_text(yaml.safe_dump({"models": {MODEL: entry()}}, allow_unicode=True), encoding="utf-8")
    return RandomFixture(model / random_model.GGUF, model / random_model.HF, catalog)


def entry() -> dict[str, object]:
    """Of the catalogue."""
    golden = yaml.safe_load(Path(random_model.__file__).with_name("random_golden.yaml").read_text(encoding="utf-8"))
    return {
        "hub_id": None,
        "parameters": None,
        "dimensions": 256,
        "context": {"trained": 32768, "recommended": 2048},
        "kv_bytes_per_token": None,
        "reasons": {"parameters": "a fixture", "kv_bytes_per_token": "a fixture"},
        "header": {"required": {"tokenizer.ggml.eos_token_id": 151643}},
        "default_quantisation": "f16",
        "files": [
            {
                "quantisation": "f16",
                "repository": None,
                "revision": None,
                "file": random_model.GGUF,
                "bytes": 1,
                "sha256": "0" * 64,
            }
        ],
        "reference": golden,
    }
