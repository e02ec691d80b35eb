"""`python -m tests.corpus.make`: the handbook's PDF and DOCX from their Markdown, byte for byte the same each time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from docx import Document
from reportlab.lib.pagesizes import A5  # type: ignore[import-untyped]
from reportlab.pdfbase.cidfonts import UnicodeCIDFont  # type: ignore[import-untyped]
from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from tests.corpus.texts import FOLDER

SOURCES = FOLDER / "handbook"
HANDBOOK = FOLDER.parents[1] / "deploy" / "handbook"
CHINESE, LATIN = "STSong-Light", "Helvetica"
"""Fonts that every PDF reader brings along; none is embedded."""
MARGIN, LEADING, SIZE, HEADING = 48, 19, 11, 17
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
"""The date inside: the real one would make other bytes each day."""


def pdf(source: str) -> bytes:
    """A page a heading, each line as it stands: a line that breaks inside a Chinese word would break the word for
    anyone who reads the text out again. ValueError for a line wider than the page.
    """
    registerFont(UnicodeCIDFont(CHINESE))
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A5, invariant=1)
    canvas.setTitle("Employee handbook: time off")
    for page in pages(source):
        _draw(canvas, page)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def pages(source: str) -> list[list[str]]:
    """The lines of each page, its heading first; "" is a gap between paragraphs."""
    return [page.strip().split("\n") for page in source.split("# ") if page.strip()]


def _draw(canvas: Canvas, lines: Sequence[str]) -> None:
    width, height = A5
    at = height - MARGIN - HEADING
    for number, line in enumerate(lines):
        size = SIZE if number else HEADING
        font = LATIN if line.isascii() else CHINESE
        if stringWidth(line, font, size) > width - 2 * MARGIN:
            raise ValueError(f"too long for the page: {line!r}")
        canvas.setFont(font, size)
        if line:
            canvas.drawString(MARGIN, at, line)
        at -= LEADING


def docx(source: str) -> bytes:
    """Headings, paragraphs and lists in Word's own styles."""
    document = Document()
    document.core_properties.title = "Employee handbook: travel"
    document.core_properties.author = ""
    document.core_properties.created = document.core_properties.modified = LONG_AGO
    for style, text in blocks(source):
        document.add_paragraph(text, style=style)
    file = io.BytesIO()
    document.save(file)
    return _dated(file.getvalue())


def blocks(source: str) -> Iterator[tuple[str, str]]:
    """`(style, text)` of each paragraph."""
    marks = {"# ": "Heading 1", "## ": "Heading 2", "- ": "List Bullet"}
    for line in filter(None, source.split("\n")):
        mark = line[: line.find(" ") + 1]
        yield (marks[mark], line.removeprefix(mark)) if mark in marks else ("Normal", line)


def _dated(archive: bytes) -> bytes:
    """The same archive with one date in all of its entries."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, LONG_AGO.timetuple()[:6]), old.read(name), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def source(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")


MADE = {"time-off.pdf": lambda: pdf(source("time-off.md")), "travel.docx": lambda: docx(source("travel.md"))}


def main(folder: Path = HANDBOOK) -> None:
    for name, make in MADE.items():
        (folder / name).write_bytes(make())


if __name__ == "__main__":
    main()
