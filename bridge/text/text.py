"""Texts as the tokenizer must see them: well-formed Unicode in its own NFC, special tokens as configured. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

# Unicode's own stream-safe format allows 30 marks on one character; no text of a person has as many.
LONGEST_RUN = 32
# Texts below this many characters cannot hold a run that costs more than milliseconds.
_WORTH_A_LOOK = 4096
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPECIAL_TOKEN = re.compile(r"<\|([A-Za-z0-9_]+)\|>")
# Qwen's tokenizer takes these out of a text before it normalises the rest.
_TAKEN_OUT = re.compile(
    r"<\|(?:endoftext|im_start|im_end|(?:object_ref|box|quad|vision)_(?:start|end)|(?:vision|image|video)_pad"
    r"|fim_(?:prefix|middle|suffix|pad)|repo_name|file_sep)\|>|</?tool_call>"
)
# The one mark that a `>` composes with.
_OVERLAY = "\u0338"
# Planes 0 and 1 have every mark there is.
_CODES = 0x20000
# A surrogate that stands in for no character, but keeps two apart.
_APART = "\udfff"


def normalise(text: str) -> str:
    """Lone surrogates become U+FFFD, as in Go's decoder; then NFC as Qwen's tokenizer has it, and llama.cpp has not.

    The tokenizer's tables are Unicode 9's (tokenizers 0.23), Python's are years younger. Where no character has come
    between, both NFCs are one, and Python's takes a tenth of the time.
    """
    if text.isascii():
        return text
    return _as_tokenizer(_SURROGATE.sub("\ufffd", text)) if _is_unusual(text) else _nfc(text)


def _is_unusual(text: str) -> bool:
    """Whether it holds a surrogate, or what Python's NFC and the tokenizer's may see differently."""
    return _suspects().search(text) is not None and not _unusual().isdisjoint(text)


def _as_tokenizer(text: str) -> str:
    """For a text without surrogates: they stand in for what the tokenizer knows as plain letters, and Python moves."""
    if _OVERLAY in text:
        text = _TAKEN_OUT.sub(rf"\g<0>{_APART}", text)
    letters = _plain_letters()
    here = letters.keys() & set(text)
    for letter in here:
        text = text.replace(letter, letters[letter])
    text = _nfc(text)
    for letter in here:
        text = text.replace(letters[letter], letter)
    return text.replace(_APART, "")


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", _marks_in_order(text) if len(text) > _WORTH_A_LOOK else text)


def _marks_in_order(text: str) -> str:
    """Long runs of combining marks in canonical order, which NFC leaves as they are.

    `unicodedata` sorts a run by insertion: 800 KB of marks would take it minutes, with the interpreter locked.
    """
    others = np.concatenate([[-1], np.flatnonzero(~_are_marks(text)), [len(text)]])
    parts, done = [], 0
    for place in np.flatnonzero(np.diff(others) > LONGEST_RUN):
        start, end = int(others[place]) + 1, int(others[place + 1])
        decomposed = "".join(unicodedata.normalize("NFD", mark) for mark in text[start:end])
        parts += [text[done:start], *sorted(decomposed, key=unicodedata.combining)]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def _are_marks(text: str) -> npt.NDArray[np.bool_]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return _marks().take(codes, mode="clip")


@cache
def _marks() -> npt.NDArray[np.bool_]:
    """By code point, and one place more for all above."""
    marks = np.zeros(_CODES + 1, np.bool_)
    composed = [0x0F73, 0x0F75, 0x0F81]  # three Tibetan vowels are made of marks, and are none themselves
    marks[[code for code in range(_CODES) if unicodedata.combining(chr(code))] + composed] = True
    return marks


@cache
def _suspects() -> re.Pattern[str]:
    """Any of the unusual. Of those beyond the first plane, whatever lies between: the matcher has a table for the first
    plane, and would compare each character with each of the others.
    """
    low = "".join(char for char in _unusual() if char <= "\uffff")
    high = sorted(char for char in _unusual() if char > "\uffff")
    return re.compile(f"[{re.escape(low)}{high[0]}-{high[-1]}]")


@cache
def _unusual() -> frozenset[str]:
    """Surrogates, what has come since Unicode 3.2 and is moved or composed by NFC, and the overlay."""
    then = unicodedata.ucd_3_2_0
    chars = {chr(code) for code in range(0xD800, 0xE000)} | {_OVERLAY}
    for char in map(chr, range(0x300, _CODES)):
        if unicodedata.combining(char) and not then.combining(char):
            chars.add(char)
        elif _is_composed(char) and then.category(char) == "Cn":
            chars.update(part for part in char + unicodedata.normalize("NFD", char) if then.category(part) == "Cn")
    return frozenset(chars)


def _is_composed(char: str) -> bool:
    decomposition = unicodedata.decomposition(char)
    return decomposition != "" and not decomposition.startswith("<")


@cache
def _plain_letters() -> Mapping[str, str]:
    """What the tokenizer neither moves nor composes though Python does, and the surrogate that stands in for it."""
    from tokenizers.normalizers import NFC  # 4 MB that most bridges never need

    nfc = NFC().normalize_str

    def knows(char: str) -> bool:
        """A mark goes before one of the highest class, or behind one of the lowest; a class never changes."""
        if unicodedata.combining(char):
            return nfc(f"\u0345{char}") != f"\u0345{char}" or nfc(f"{char}\u0334") != f"{char}\u0334"
        return nfc(unicodedata.normalize("NFD", char)) == unicodedata.normalize("NFC", char)

    strangers = [char for char in _unusual() if not _SURROGATE.match(char) and not knows(char)]
    parts = [part for char in strangers for part in unicodedata.normalize("NFD", char) if part in _unusual()]
    unknown = sorted({*strangers, *(part for part in parts if not unicodedata.combining(part))})
    return {char: chr(0xD800 + place) for place, char in enumerate(unknown)}


def neutralise_special_tokens(text: str) -> str:
    """Space out `<|name|>` so that no tokenizer takes it for a control token: `<|endoftext|>` -> `<| endoftext |>`."""
    return _SPECIAL_TOKEN.sub(r"<| \1 |>", text)
