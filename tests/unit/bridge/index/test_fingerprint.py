"""One name for everything that a vector depends on besides its text."""

from dataclasses import replace

import pytest

from embedstack.bridge.index.fingerprint import Fingerprint

ONE = Fingerprint("qwen3-embedding:4b", "Q4_K_M", "0" * 64, "qwen3", "keep")


def test_it_is_the_same_from_one_start_to_the_next() -> None:
    """Else every restart would empty the cache. A change of the rules for a text changes this on purpose."""
    assert ONE.id == "30910edf9ad76d07"
    assert ONE.key("annual leave").hex().startswith("6a90cf66e05ebcf8")


@pytest.mark.parametrize(
    "other",
    [
        {"model": "qwen3-embedding:8b"},
        {"precision": "Q8_0"},
        {"source": "1" + "0" * 63},
        {"style": "article-zh"},
        {"special_tokens": "neutralise"},
        {"rules": "nfc-2"},
    ],
    ids=str,
)
def test_whatever_changes_a_vector_changes_it(other: dict[str, str]) -> None:
    """Model, precision, weights, style, special tokens, and the bridge's own rules."""
    changed = replace(ONE, **other)

    assert changed.id != ONE.id
    assert changed.key("annual leave") != ONE.key("annual leave")


def test_parts_do_not_run_into_each_other() -> None:
    """A boundary between two of them is part of it."""
    assert replace(ONE, style="ab", special_tokens="c").id != replace(ONE, style="a", special_tokens="bc").id


def test_a_role_is_in_the_text() -> None:
    """The final text holds its instruction, so a query's key is not a document's."""
    assert ONE.key("Instruct: x\nQuery:annual leave") != ONE.key("annual leave")
