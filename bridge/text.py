"""Texts as the tokenizer must see them: well-formed Unicode in NFC, special tokens as configured. Pure."""

import re
import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

# Unicode's own stream-safe format allows 30 marks on one character; no text of a person has as many.
LONGEST_RUN = 32
# Texts below this many characters cannot hold a run that costs more than milliseconds.
_WORTH_A_LOOK = 4096
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPECIAL_TOKEN = re.compile(r"<\|([A-Za-z0-9_]+)\|>")


def normalise(text: str) -> str:
    """Lone surrogates become U+FFFD, as in Go's decoder; then NFC, as in Qwen's tokenizer and not in llama.cpp's."""
    if text.isascii():
        return text
    text = _SURROGATE.sub("\ufffd", text)
    return unicodedata.normalize("NFC", _marks_in_order(text) if len(text) > _WORTH_A_LOOK else text)


def _marks_in_order(text: str) -> str:
    """Long runs of combining marks in canonical order, which NFC leaves as they are.

    `unicodedata` sorts a run by insertion: 800 KB of marks would take it minutes, with the interpreter locked.
    """
    marks = _combining()[np.frombuffer(text.encode("utf-32-le"), dtype="<u4")]
    others = np.concatenate([[-1], np.flatnonzero(~marks), [len(text)]])
    parts, done = [], 0
    for place in np.flatnonzero(np.diff(others) > LONGEST_RUN):
        start, end = int(others[place]) + 1, int(others[place + 1])
        decomposed = "".join(unicodedata.normalize("NFD", mark) for mark in text[start:end])
        parts += [text[done:start], *sorted(decomposed, key=unicodedata.combining)]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


@cache
def _combining() -> npt.NDArray[np.bool_]:
    """By code point, whether it is a mark that canonical ordering moves; three Tibetan vowels are made of such."""
    composed = {0x0F73, 0x0F75, 0x0F81}
    every = range(0x110000)
    return np.fromiter((unicodedata.combining(chr(code)) > 0 or code in composed for code in every), np.bool_)


def neutralise_special_tokens(text: str) -> str:
    """Space out `<|name|>` so that no tokenizer takes it for a control token: `<|endoftext|>` -> `<| endoftext |>`."""
    return _SPECIAL_TOKEN.sub(r"<| \1 |>", text)
