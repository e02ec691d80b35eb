"""The handbook of an invented company, in Chinese and English, as the four kinds of file that people upload.

`tests.corpus.make` makes the PDF and the DOCX. What the question asks for, 年假, stands nowhere in it.
"""

from dataclasses import dataclass
from importlib.resources import files

NAMES = ("time-off.pdf", "travel.docx", "certificates.md", "passports.txt")
"""Holidays and sick leave; travel and expenses; SSL certificates; passports and visas."""
QUESTION = "公司年假政策有哪些?"
ANSWERS = ("带薪休假", "paid holiday")
"""What the paragraph that answers it says, in Chinese and in English."""


@dataclass(frozen=True)
class Chapter:
    """A file of it."""

    name: str
    data: bytes


def chapters() -> tuple[Chapter, ...]:
    return tuple(Chapter(name, (files(__name__) / name).read_bytes()) for name in NAMES)
