"""Where an engine counted several texts together, each gets its part, and nothing is lost or made up."""

from hypothesis import given
from hypothesis import strategies as st

from embedstack.bridge.engines.retry import shares

TEXTS = st.lists(st.text(max_size=40), min_size=1, max_size=40)


@given(TEXTS, st.integers(0, 5_000))
def test_the_parts_add_up(texts: list[str], more: int) -> None:
    """To what the engine counted; each text has at least its end-of-text token."""
    total = len(texts) + more
    parts = shares(total, texts)

    assert sum(parts) == total
    assert min(parts) >= 1


def test_longer_texts_have_more() -> None:
    """By their bytes in UTF-8."""
    assert shares(43, ["", "a" * 10, "年" * 10]) == [1, 11, 31]


def test_one_text_has_it_all() -> None:
    """The engine's own count."""
    assert shares(7, ["anything"]) == [7]
