"""Texts reach the tokenizer as well-formed Unicode in NFC, with special tokens as configured."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.normalizers import NFC

from embedstack.bridge.text.text import neutralise_special_tokens, normalise

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("", ""),
        ("plain ASCII \x00 \t\n", "plain ASCII \x00 \t\n"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165", "한국어"),
        ("か\u3099き\u309a", "がき\u309a"),
        ("A\u030angstro\u0308m cafe\u0301", "Ångström café"),
        ("\u212b", "Å"),
        ("ﾊﾝｶｸ １２８ ﬁ", "ﾊﾝｶｸ １２８ ﬁ"),
        ("a\ud800b", "a\ufffdb"),
        ("\udfff", "\ufffd"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("e\ud800\u0301", "e\ufffd\u0301"),
        ("😀", "😀"),
    ],
)
def test_a_text_is_made_well_formed_and_nfc(sent: str, seen: str) -> None:
    """Decomposed letters are composed, lone surrogates become U+FFFD, compatibility forms stay what they are."""
    assert seen == normalise(sent)


def test_a_pair_of_escapes_is_one_character() -> None:
    """What JSON writes as two surrogates is an emoji, not two replacement characters."""
    assert normalise(json.loads('"\\ud83d\\ude00"')) == "😀"


@given(ANY_TEXT)
def test_every_text_becomes_nfc_that_utf8_can_write_and_stays_so(text: str) -> None:
    """Normalising twice changes nothing more, and no text is left that JSON or UTF-8 would refuse."""
    once = normalise(text)

    assert once.encode().decode() == once
    assert NFC().normalize_str(once) == once
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("<|endoftext|>", "<| endoftext |>"),
        ("a<|im_start|>b<|im_end|>", "a<| im_start |>b<| im_end |>"),
        ("<|endoftext|><|endoftext|>", "<| endoftext |><| endoftext |>"),
        ("<|<|endoftext|>|>", "<|<| endoftext |>|>"),
        ("<| endoftext |>", "<| endoftext |>"),
        ("a <| b |> c || d", "a <| b |> c || d"),
    ],
)
def test_special_tokens_are_spaced_out(sent: str, seen: str) -> None:
    """Only what a tokenizer would take for a control token is touched, and only by two spaces."""
    assert neutralise_special_tokens(sent) == seen


@given(st.text("<|>end_ ", max_size=40))
def test_neutralising_twice_is_neutralising_once(text: str) -> None:
    """A text that has been through it holds nothing more to neutralise."""
    once = neutralise_special_tokens(text)

    assert neutralise_special_tokens(once) == once


def test_a_long_run_of_marks_is_nfc_and_costs_no_minutes() -> None:
    """800 KB of combining marks, which `unicodedata` alone would sort for minutes, come out in canonical order."""
    ordered = "a" + "\u0316" * 200_000 + "\u0301" * 200_000
    assert normalise("a" + "\u0301\u0316" * 200_000) == unicodedata.normalize("NFC", ordered)


@given(st.lists(st.sampled_from("a\u0301\u0316\u0327\u08d3\u0f73\u0f71\u1100\u1161년é"), min_size=40, max_size=120))
def test_long_texts_are_nfc_too(pieces: list[str]) -> None:
    """The way around long runs gives what the tokenizer's NFC gives."""
    text = "".join(pieces) + "\u0301\u0316" * 20 + "본문 " * 2000
    assert normalise(text) == NFC().normalize_str(text)
