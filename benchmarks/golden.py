"""What the scripted upstream knows: the gate's golden texts and the measured one, embedded once by the real engine."""

from pathlib import Path

import msgspec

from benchmarks.shapes import MODEL, TEXT
from benchmarks.upstream import Known
from embedstack.models import catalog
from tests.bridge_process import Bridge, bridge


def capture(file: Path) -> None:
    """Write them to `file`, the measured text last. AssertionError where the embedded engine does not start."""
    with bridge("--demo") as embedded:
        file.write_bytes(msgspec.json.encode([_known(embedded, text) for text in (*_golden_texts(), TEXT)]))


def _golden_texts() -> tuple[str, ...]:
    reference = catalog.load().find(MODEL).model.reference
    return reference.texts if reference else ()


def _known(embedded: Bridge, text: str) -> Known:
    response = embedded.post("/v1/embeddings", {"model": MODEL, "input": [text]})
    response.raise_for_status()
    answer = response.json()
    return Known(text, answer["usage"]["prompt_tokens"], answer["data"][0]["embedding"])
