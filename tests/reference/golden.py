"""`python -m tests.reference.golden`: write the golden texts of both fixtures, with the scores of the NumPy reference.

The files have the form of a model's `reference` in the catalogue. What a wrong engine does to the scores is what
tests/integration/test_controls.py shows with the negative controls.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from embedstack.models.demo.build import build, default_folder
from embedstack.models.demo.hf_folder import QUERY_PROMPT
from embedstack.models.demo.lexicon import FOLDER, read
from tests.reference import random_model
from tests.reference.numpy_qwen3 import Floats, NumpyQwen3, cut

DEMO, RANDOM = FOLDER / "golden.yaml", Path(__file__).with_name("random_golden.yaml")
QUERIES, DOCUMENTS = (0, 1, 4, 5), (2, 3, 6, 7)
DECIMALS = 6
HEAD = "# Written by `python -m tests.reference.golden`, in the form of `reference` in modelfiles/catalog.yaml."


def texts() -> list[str]:
    """Qwen's own four reference texts, then two questions on a handbook, in Chinese and English, and their answers."""
    passages = {entry["id"]: entry["text"] for entry in yaml.safe_load(read("passages.yaml"))}
    return [
        f"{QUERY_PROMPT}What is the capital of China?",
        f"{QUERY_PROMPT}Explain gravity",
        "The capital of China is Beijing.",
        "Gravity is a force that attracts two bodies towards each other. It gives weight to physical objects and is "
        "responsible for the movement of planets around the sun.",
        f"{QUERY_PROMPT}公司年假政策有哪些？",
        f"{QUERY_PROMPT}How do I get my travel expenses reimbursed?",
        passages["holiday"],
        passages["travel-expenses"],
    ]


def reference(model: NumpyQwen3, tolerances: Mapping[int, float], margin: float | None = None) -> dict[str, Any]:
    """What an engine must answer on `texts`: token counts, and cosines with a tolerance at each dimension."""
    vectors = model.embed(texts())
    return {
        "texts": texts(),
        "tokens": [len(model.ids(text)) for text in texts()],
        "queries": list(QUERIES),
        "documents": list(DOCUMENTS),
        "tolerances": {"f16": tolerances[vectors.shape[1]]},
        "margin": margin,
        "scores": [
            {
                "precision": "f16",
                "dimensions": size,
                "tolerance": tolerance,
                "source": "tests/reference/numpy_qwen3.py",
                "matrix": scores(vectors, size),
            }
            for size, tolerance in tolerances.items()
        ],
    }


def scores(vectors: Floats, dimensions: int) -> list[list[float]]:
    """Cosines of queries (rows) and documents (columns), vectors cut to `dimensions` first."""
    unit = cut(vectors, dimensions)
    rounded: list[list[float]] = (unit[[*QUERIES]] @ unit[[*DOCUMENTS]].T).astype(float).round(DECIMALS).tolist()
    return rounded


def demo() -> dict[str, Any]:
    """A right f16 engine is off by 0.0002, at 32 dimensions by 0.0005; Q8_0 by 0.0015 and 0.0035."""
    model = NumpyQwen3.load(build(default_folder()).hf)
    return reference(model, {2560: 0.001, 1024: 0.001, 256: 0.001, 32: 0.002}, margin=0.2)


def random() -> dict[str, Any]:
    """A right f16 engine is off by 0.0006, at 32 dimensions by 0.003."""
    return reference(NumpyQwen3.load(random_model.build() / random_model.HF), {256: 0.003, 32: 0.01})


class Readable(yaml.SafeDumper):
    """YAML with one line for each row of a matrix, and for each text."""


Readable.add_representer(
    list,
    lambda dumper, items: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", items, flow_style=all(isinstance(item, int | float) for item in items)
    ),
)
Readable.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\n" in text else None),
)


def main() -> None:
    for path, content in ((DEMO, demo()), (RANDOM, random())):
        text = yaml.dump(content, Dumper=Readable, allow_unicode=True, sort_keys=False, width=1000)
        path.write_text(f"{HEAD}\n{text}", encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
