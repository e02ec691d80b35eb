"""The right vectors, from the NumPy reference: for a text, each form in which the model may have seen it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embedstack.models import catalog
from tests.reference.numpy_qwen3 import Floats, NumpyQwen3, cut

SAME = 0.9999
LONGEST = 400  # characters of a text that is computed here; of a longer one only size and length are looked at
MOST_KEPT = 4_000
SIZES = range(32, 2561)
ROLES = ("task", "prompt_name", "instruction", "prompt", "prompt_template", "query_instruction", "prefix")
RESIZING = ("output_dimension", "output_dimensionality", "outputdimensionality", "options")


@dataclass
class Truth:
    """Vectors by the text that the model sees."""

    model: NumpyQwen3
    prefixes: Mapping[str, str]
    _known: dict[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Truth:
        tasks = catalog.load().find("demo").model.tasks
        prefixes = {name: f"Instruct: {task.instruction}\nQuery:" for name, task in tasks.items() if task.instruction}
        return cls(NumpyQwen3.load(folder), prefixes)

    def wrong(self, path: str, body: Any, headers: Mapping[str, str], rows: Sequence[Floats]) -> str | None:
        """What is wrong with the vectors of a 200; None where each is one of those that the request may have meant."""
        body = {name.lower(): value for name, value in body.items()}  # as Ollama reads them, and so every route
        texts = texts_of(path, body)
        if len(rows) != len(texts):
            return f"{len(rows)} vectors for {len(texts)} texts"
        for place, (text, row) in enumerate(zip(texts, rows, strict=True)):
            if (
                problem := _wrong_size(body, len(row))
                or _wrong_length(row)
                or self._wrong_text(text, body, headers, row)
            ):
                return f"vector {place}: {problem}"
        return None

    def _wrong_text(self, text: str, body: Any, headers: Mapping[str, str], row: Floats) -> str | None:
        forms = self.forms(text, body, headers)
        if any(len(form) > LONGEST for form in forms):
            return None
        nearest = -1.0
        for form in forms:  # the first that fits ends it: each further one costs milliseconds
            nearest = max(nearest, float(row @ cut(self.vector(form)[None], len(row))[0]))
            if nearest >= SAME:
                return None
        return f"cosine {nearest:.4f} with the nearest that is right"

    def forms(self, text: str, body: Any, headers: Mapping[str, str]) -> list[str]:
        """One where the role is plain, each that there is where it is not."""
        role = body.get("input_type")
        plain = role in ("query", "document", None) and not any(body.get(name) for name in ROLES)
        if plain and body.get("model") == "demo" and not any(name.lower() == "x-embed-task" for name in headers):
            return [self.prefixes["query"] + text if role == "query" else text]
        given = [f"Instruct: {body[name]}\nQuery:" for name in ("instruction", "prompt") if body.get(name)]
        return [text, *(prefix + text for prefix in (*self.prefixes.values(), *given))]

    def vector(self, text: str) -> Floats:
        if text not in self._known:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            # Halves of pairs that stand side by side are one character; one alone is U+FFFD.
            seen = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            self._known[text] = self.model.embed([seen])[0]
        return self._known[text]


def texts_of(path: str, body: Any) -> list[str]:
    """With Ollama's API an empty one only loads the model; with OpenAI's it is a text."""
    given = body.get("prompt" if path.endswith("/api/embeddings") else "input")
    if given in (None, []) or (given == "" and path.startswith("/api/")):
        return []
    return [given] if isinstance(given, str) else list(given)


def _wrong_size(body: Any, size: int) -> str | None:
    if size not in SIZES:
        return f"{size} numbers"
    asked = body.get("dimensions")
    if any(name in body for name in RESIZING) or "@" in str(body.get("model")):
        return None
    return f"{size} numbers, not {asked or 2560}" if size != (asked or 2560) else None


def _wrong_length(row: Floats) -> str | None:
    length = float(np.linalg.norm(row))
    return None if abs(length - 1) < 1e-3 else f"length {length:.3f}"
