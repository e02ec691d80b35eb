"""What reaches an engine is normalised as Qwen's own tokenizer does it, which is not as Python does."""

import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache

import pytest
from tokenizers import Tokenizer
from tokenizers.normalizers import NFC

from embedstack.bridge.index.fingerprint import Fingerprint, index_id
from embedstack.bridge.text import vocabulary
from embedstack.bridge.text.text import normalise
from tests.reference import random_model

pytestmark = pytest.mark.slow

SERVED = Fingerprint("qwen3-embedding:4b", "Q4_K_M", "0" * 64, "qwen3", "keep")
their_nfc = NFC().normalize_str
# Texts that Python's NFC of Unicode 14 and later writes otherwise than tokenizers 0.23 does.
DIFFERENT = ["\u0628\u08d3\u064e", "\u0995\u09fe\u09bc", "\u0c15\u0c4d\u0c3c", "\U00011935\U00011930"]
CJK = ((0x3400, 0xA000), (0xAC00, 0xF900), (0x20000, 0x110000))  # nothing in them composes with anything but jamo


def assigned() -> list[str]:
    """Every character that Python knows, but the newline that parts the texts below."""
    codes = (code for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    return [char for char in map(chr, codes) if unicodedata.category(char) != "Cn" and char != "\n"]


ASSIGNED = assigned()
MARKS = [char for char in ASSIGNED if unicodedata.combining(char)]
DECOMPOSED = [unicodedata.normalize("NFD", char) for char in ASSIGNED if not 0xAC00 <= ord(char) < 0xD7A4]
FIRST = sorted({parts[0] for parts in DECOMPOSED if len(parts) > 1} | set("\u1100가"))
SECOND = sorted({parts[-1] for parts in DECOMPOSED if len(parts) > 1} | set("\u1161\u11a8"))


def differing(texts: Sequence[str]) -> list[str]:
    """Those of the texts, none of which has a newline, that are not what Hugging Face's tokenizer makes of them."""
    joined = "\n".join(texts)
    ours, theirs = normalise(joined), their_nfc(joined)
    if ours == theirs:
        return []
    return [ascii(text) for text, a, b in zip(texts, ours.split("\n"), theirs.split("\n"), strict=True) if a != b]


def test_every_two_marks_in_both_orders() -> None:
    """Each of the thousand combining marks before each other one, after a letter."""
    assert [found for one in MARKS for found in differing([f"a{one}{other}" for other in MARKS])] == []


def test_every_character_alone_and_taken_apart() -> None:
    """All that is assigned, CJK and Hangul included, as it is and as NFD writes it."""
    assert differing(ASSIGNED) == []
    assert differing([unicodedata.normalize("NFD", char) for char in ASSIGNED]) == []


def test_every_letter_before_what_composes() -> None:
    """Each first part of a composition, also of another one, before each second part; and marks between the two."""
    between = ("", "\u0334", "\u0316", "\u0301", "\u08d3", "\u07eb", "\u1161")
    assert [
        found for mark in between for one in FIRST for found in differing([one + mark + other for other in SECOND])
    ] == []


def test_every_other_character_is_a_letter_to_marks() -> None:
    """Whatever stands before or between two marks, they are not ordered across it."""
    others = [char for char in ASSIGNED if not any(low <= ord(char) < high for low, high in CJK)]
    for pattern in ("{}\u0301", "a\u0345{}\u0334", "a\u08d3{}\u0334"):
        assert differing([pattern.format(char) for char in others]) == []


def test_python_knows_every_mark_that_the_tokenizer_knows() -> None:
    """Else Python's tables would not do: newer ones of the tokenizer must be noticed here."""
    planes = range(0x20000)  # of the others none has marks
    unknown = [char for char in map(chr, planes) if unicodedata.category(char) == "Cn"]
    for pattern in ("a\u0345{}", "a{}\u0334", "a{}"):
        texts = [pattern.format(char) for char in unknown]
        assert their_nfc("\n".join(texts)) == "\n".join(texts)


@pytest.mark.parametrize("text", DIFFERENT, ids=ascii)
def test_where_the_two_differ_it_is_the_tokenizers(text: str) -> None:
    """In short texts and in long ones, alone and among what is common."""
    assert their_nfc(text) != unicodedata.normalize("NFC", text)
    for whole in (text, f"Cafe\u0301 {text} 본문", "본문 " * 3000 + text + "e\u0301" * 3000):
        assert their_nfc(whole) == normalise(whole)


@cache
def qwen() -> Tokenizer:
    """Qwen's real vocabulary, as Hugging Face's library reads it."""
    return vocabulary.load(random_model.build() / random_model.GGUF)


@cache
def llama() -> Tokenizer:
    """The same as llama.cpp has it: what it is given is not normalised."""
    tokenizer = vocabulary.load(random_model.build() / random_model.GGUF)
    tokenizer.normalizer = None
    return tokenizer


def ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def test_the_ids_are_hugging_faces() -> None:
    """Token by token, for every mark on its letter among others in the wrong order, and every composed character."""
    texts = [f"\u0628{mark}\u064e\u0316\u0334 \u0995\u0345{mark}" for mark in MARKS]
    texts += [*DIFFERENT, *(char for char in DECOMPOSED if len(char) > 1)]

    assert ids(qwen(), texts) == ids(llama(), [normalise(text) for text in texts])


def test_a_mark_after_a_special_token_leaves_it_whole() -> None:
    """The tokenizer takes its special tokens out before it normalises; U+0338 would compose with the last `>`."""
    texts = [f"a{token}{marks}b" for token in random_model.QWEN_SPECIALS for marks in ("\u0338", "\u0316\u0338")]
    texts += ["<|endoftext|\u0338>", "a>\u0338", "<b>\u0338", "<|no_such|>\u0338", "<|endoftext|>\u226f"]

    assert ids(qwen(), texts) == ids(llama(), [normalise(text) for text in texts])
    assert all(normalise(text).startswith(text[:-3]) for text in texts if text.endswith("|>\u0338b"))


@pytest.mark.parametrize("before", ["", "年" * 47, "é" * 4096])
def test_what_is_seen_differently_is_found_wherever_it_stands(before: str) -> None:
    """In the first plane and beyond it, in a short text and in a long one, before and behind what is not."""
    texts = [f"{before}{text}{after}" for text in DIFFERENT for after in ("", "𝐛", "年" * 4096)]

    assert [their_nfc(text) for text in texts] == [normalise(text) for text in texts]


def test_a_long_run_of_any_marks_costs_no_minutes() -> None:
    """200,000 marks in the wrong order, some of which the tokenizer does not know, come out as it orders them."""
    text = "a" + "\u0301\u0316\u08d3\u07eb\u0334" * 40_000
    assert their_nfc(text) == normalise(text)


@pytest.mark.process
def test_common_texts_load_no_tokenizer() -> None:
    """It is 4 MB that most bridges never need; a text that needs it loads it."""
    code = (
        "import sys; from embedstack.bridge.text.text import normalise; "
        "[normalise(t) for t in ('Gru\\u0308ße', '한국어', '年假 ' * 100, 'e\\u0301', '😀', 'a\\u0316\\u0301')]; "
        "assert 'tokenizers' not in sys.modules; normalise('\\u0628\\u08d3\\u064e'); assert 'tokenizers' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- nobody is locked out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("annual leave", "6a90cf66e05ebcf8"),
        ("Grüße aus Köln", "40a63a6a4c22ec9e"),
        ("e\u0301", "195abdf43615b16f"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "bdcd57873cfdb8f7"),
        ("か\u3099", "0056f79a9fd16a2f"),
        ("\u212b", "630ec8db9ad19944"),
        ("a\u0301\u0316\u0334", "54cfd849ee10b539"),
        ("\u0646\u0651\u064e\u0655", "a54d77f4e803722a"),
        ("\u07ca\u07eb\u07f2", "2deaf38ed9c0487c"),
        ("\ua98f\ua9c0\ua9b3", "009a7866c89adba8"),
        ("\U0001d15f", "554374e6d6b5cb4e"),
        ("\U00011131\U00011127", "510df0467d7d88f2"),
        ("👩\u200d👩\u200d👧", "50551dfb6a482462"),
        ("a\ud800b", "77d6f2cf3dae3d25"),
        ("\u0628\u064e\u08d3", "84f4a5fc1a96fc8f"),
    ],
    ids=ascii,
)
def test_the_keys_of_texts_whose_forms_are_one_have_not_changed(text: str, key: str) -> None:
    """As recorded with 0.1, which normalised with Python's tables; the last had those of U+0628 U+08D3 U+064E."""
    assert SERVED.key(normalise(text)).hex().startswith(key)


@pytest.mark.parametrize("text", DIFFERENT, ids=ascii)
def test_an_index_has_its_name_still(text: str) -> None:
    """A prompt of one's own for documents, written by an earlier version in Python's NFC, is the same prompt."""
    before = unicodedata.normalize("NFC", text)
    assert before != normalise(text)
    assert index_id(SERVED.id, 1024, before) == index_id(SERVED.id, 1024, normalise(text))
