"""The handbook as Open WebUI 0.12.4 cuts it, by its defaults: a page of a PDF, a heading of a Markdown file, else up to
1,000 characters are a chunk. Its own splitters are another project's code; tests/e2e asks the real ones.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence

from docx import Document
from pypdf import PdfReader

from embedstack.deploy.handbook import Chapter

MOST = 1000  # characters


def chunks(chapter: Chapter) -> list[str]:
    kind = chapter.name.rpartition(".")[2]
    return {"pdf": pdf, "docx": docx, "md": markdown, "txt": text}[kind](chapter.data)


def pdf(data: bytes) -> list[str]:
    return [page.extract_text().strip() for page in PdfReader(io.BytesIO(data)).pages]


def paragraphs(data: bytes) -> list[tuple[str, str]]:
    """`(style, text)` of each paragraph of a DOCX."""
    return [(p.style.name if p.style else "", p.text) for p in Document(io.BytesIO(data)).paragraphs]


def docx(data: bytes) -> list[str]:
    return list(_packed([text for _, text in paragraphs(data)]))


def markdown(data: bytes) -> list[str]:
    return [part.strip() for part in re.split("^(?=# )", data.decode(), flags=re.MULTILINE) if part.strip()]


def text(data: bytes) -> list[str]:
    return list(_packed(data.decode().split("\n\n")))


def _packed(parts: Sequence[str]) -> Iterator[str]:
    packed = ""
    for part in parts:
        joined = f"{packed}\n\n{part}" if packed else part
        if len(joined) > MOST:
            yield packed
            joined = part
        packed = joined
    yield packed
