"""Texts as the tokenizer must see them: well-formed Unicode in its NFC, with special tokens as configured. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

# Unicode's stream-safe format allows 30 marks on one character; real text has fewer.
LONGEST_RUN = 32
# A text with fewer characters cannot have a run that costs more than milliseconds.
_WORTH_A_LOOK = 4096
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPECIAL_TOKEN = re.compile(r"<\|([A-Za-z0-9_]+)\|>")
# Qwen's tokenizer removes these from a text before it normalises the rest.
_TAKEN_OUT = re.compile(
    r"<\|(?:endoftext|im_start|im_end|(?:object_ref|box|quad|vision)_(?:start|end)|(?:vision|image|video)_pad"
    r"|fim_(?:prefix|middle|suffix|pad)|repo_name|file_sep)\|>|</?tool_call>"
)
# The only mark that composes with `>`.
_OVERLAY = "\u0338"
# All combining marks are in planes 0 and 1.
_CODES = 0x20000
# A surrogate that replaces no character; it keeps two characters from composing.
_APART = "\udfff"


def normalise(text: str) -> str:
    """Lone surrogates become U+FFFD, as in Go's decoder. Then NFC as in Qwen's tokenizer, which llama.cpp lacks.

    The tokenizer's tables are those of Unicode 9 (tokenizers 0.23), Python's are years newer. For texts without newer
    characters, both give the same NFC, and Python's takes a tenth of the time.
    """
    if text.isascii():
        return text
    return _as_tokenizer(_SURROGATE.sub("\ufffd", text)) if _is_unusual(text) else _nfc(text)


def _is_unusual(text: str) -> bool:
    """Whether the text has a surrogate, or a character that Python's NFC and the tokenizer's may treat differently."""
    return _suspects().search(text) is not None and not _unusual().isdisjoint(text)


def _as_tokenizer(text: str) -> str:
    """The tokenizer's NFC of a text without surrogates. Surrogates replace characters that Python would move or compose
    and the tokenizer does not.
    """
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
    """The text with long runs of combining marks in canonical order, which NFC then leaves unchanged.

    `unicodedata` uses insertion sort for a run: 800 KB of marks would take minutes, with the interpreter locked.
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
    """Whether each code point is a combining mark, with one more entry for all higher code points."""
    marks = np.zeros(_CODES + 1, np.bool_)
    composed = [0x0F73, 0x0F75, 0x0F81]  # three Tibetan vowels that decompose to marks but are not marks
    marks[[code for code in range(_CODES) if unicodedata.combining(chr(code))] + composed] = True
    return marks


@cache
def _suspects() -> re.Pattern[str]:
    """Matches any unusual character. Those beyond the first plane are matched as one range, since the matcher has a
    table only for the first plane and would compare each character with each of the others.
    """
    low = "".join(char for char in _unusual() if char <= "\uffff")
    high = sorted(char for char in _unusual() if char > "\uffff")
    return re.compile(f"[{re.escape(low)}{high[0]}-{high[-1]}]")


@cache
def _unusual() -> frozenset[str]:
    """Surrogates, characters newer than Unicode 3.2 that NFC moves or composes, and the overlay."""
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
    """The characters that Python moves or composes and the tokenizer does not, each with its replacing surrogate."""
    from tokenizers.normalizers import NFC  # 4 MB that most bridges never need

    nfc = NFC().normalize_str

    def knows(char: str) -> bool:
        """Whether the tokenizer knows the character. A mark that it knows moves before one of the highest class, or
        behind one of the lowest; classes never change.
        """
        if unicodedata.combining(char):
            return nfc(f"\u0345{char}") != f"\u0345{char}" or nfc(f"{char}\u0334") != f"{char}\u0334"
        return nfc(unicodedata.normalize("NFD", char)) == unicodedata.normalize("NFC", char)

    strangers = [char for char in _unusual() if not _SURROGATE.match(char) and not knows(char)]
    parts = [part for char in strangers for part in unicodedata.normalize("NFD", char) if part in _unusual()]
    unknown = sorted({*strangers, *(part for part in parts if not unicodedata.combining(part))})
    return {char: chr(0xD800 + place) for place, char in enumerate(unknown)}


def neutralise_special_tokens(text: str) -> str:
    """Put spaces into `<|name|>` so that no tokenizer reads a control token: `<|endoftext|>` -> `<| endoftext |>`."""
    return _SPECIAL_TOKEN.sub(r"<| \1 |>", text)
