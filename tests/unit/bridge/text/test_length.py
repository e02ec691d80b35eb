"""Whether a text fits is never guessed: bytes bound tokens, only the doubtful is counted, a cut is shown."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from embedstack.bridge.errors import TooLong
from embedstack.bridge.text import vocabulary
from embedstack.bridge.text.length import Fitted, LengthGuard, cut_start_to, cut_to, limit_of, longest_token
from embedstack.bridge.text.text import normalise
from embedstack.models.demo.build import DemoFiles

# Letters of one to four bytes, joined emoji, digits (a token each), blanks and newlines, special tokens.
PIECES = (
    *("a", "Z", "é", "ß", "年", "假", "公司年假政策", "龘", "𠮷", "😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "한국어", "ก็"),
    *(
        "hello",
        " the",
        "annual leave",
        "7",
        "2560",
        " ",
        "   ",
        "\n",
        "\r\n\n",
        "\t",
        "...",
        "don't",
        "<|endoftext|>",
        "\x00",
        "\ufffd",
    ),
)
# As they come from the prompts: in NFC. A few letters (U+095F) have more bytes in NFC than before.
TEXTS = st.lists(st.sampled_from(PIECES) | st.characters(codec="utf-8"), max_size=60).map("".join).map(normalise)


@pytest.fixture(scope="module")
def tokenizer(demo: DemoFiles) -> Tokenizer:
    return vocabulary.load(demo.gguf)


def count(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


def lending(tokenizer: Tokenizer) -> Callable[[], Awaitable[Tokenizer]]:
    async def load() -> Tokenizer:
        return tokenizer

    return load


async def never() -> Tokenizer:
    raise AssertionError("a tokenizer was loaded for a text that surely fits")


def fit(guard: LengthGuard, text: str, *, truncate: bool = False, index: int = 0) -> Fitted:
    return asyncio.run(guard.fit(text, index, "truncate" if truncate else "error"))


@pytest.mark.parametrize(("context", "limit"), [(8192, 8190), (64, 62), (3, 1), (2, 1), (0, 1)])
def test_room_is_kept_for_eos_and_ollamas_bos(context: int, limit: int) -> None:
    """Two tokens of the context are not the text's; a text of one token fits any context."""
    assert limit == limit_of(context)


@given(text=TEXTS)
def test_there_are_never_more_tokens_than_bytes(tokenizer: Tokenizer, text: str) -> None:
    """What the byte bound rests on: every token of byte-level BPE stands for at least one byte."""
    assert count(tokenizer, text) <= len(text.encode())


@given(text=TEXTS, limit=st.integers(1, 80))
def test_what_surely_fits_does_fit(tokenizer: Tokenizer, text: str, limit: int) -> None:
    """The bound may say "perhaps" too often, but never "surely" wrongly."""
    guard = LengthGuard(limit, never)

    assert guard.surely_fits(text) == (len(text.encode()) <= limit)
    if guard.surely_fits(text):
        assert count(tokenizer, text) <= limit


@pytest.mark.parametrize("truncate", [False, True])
def test_a_text_within_the_bound_is_not_counted(truncate: bool) -> None:
    """No tokenizer is built for it, so that a bridge that sees only short texts never holds one."""
    guard = LengthGuard(30, never)

    assert Fitted("x" * 30) == fit(guard, "x" * 30, truncate=truncate)
    assert Fitted("年" * 10) == fit(guard, "年" * 10, truncate=truncate)


@given(text=TEXTS, limit=st.integers(1, 80))
def test_a_text_that_fits_is_never_touched(tokenizer: Tokenizer, text: str, limit: int) -> None:
    """With or without `truncate`: it comes back as it was, and nothing is said of a cut."""
    guard = LengthGuard(max(limit, count(tokenizer, text)), lending(tokenizer))

    assert Fitted(text) == fit(guard, text, truncate=True) == fit(guard, text, truncate=False)


@given(text=TEXTS, limit=st.integers(1, 40))
def test_a_cut_text_is_a_head_that_fits(tokenizer: Tokenizer, text: str, limit: int) -> None:
    """A beginning of the text in whole characters, within the limit when it is tokenized by itself, and marked."""
    found = fit(LengthGuard(limit, lending(tokenizer)), text, truncate=True)

    assert text.startswith(found.text)
    assert count(tokenizer, found.text) <= limit
    assert found.truncated == (count(tokenizer, text) > limit) == (found.text != text)


@given(text=TEXTS, limit=st.integers(1, 40))
def test_a_cut_takes_little_more_than_it_must(tokenizer: Tokenizer, text: str, limit: int) -> None:
    """At most a character's bytes and what the new end of the last word costs are given away."""
    head = cut_to(tokenizer, text, limit)

    if head != text:
        assert count(tokenizer, head) >= limit - 8


@given(text=TEXTS, limit=st.integers(1, 40))
def test_a_text_that_does_not_fit_is_refused_with_its_count(tokenizer: Tokenizer, text: str, limit: int) -> None:
    """Without leave to cut there is no vector; the message has index, count and limit."""
    guard = LengthGuard(limit, lending(tokenizer))
    tokens = count(tokenizer, text)
    if tokens <= limit:
        assert Fitted(text) == fit(guard, text)
        return

    with pytest.raises(TooLong) as refused:
        fit(guard, text, index=7)
    assert refused.value.message == f"input 7 has {tokens} tokens; the limit is {limit}."
    assert "truncate: true" in refused.value.advice


def test_a_huge_text_is_counted_only_as_far_as_it_matters(tokenizer: Tokenizer) -> None:
    """Past (limit + 1) times the longest token a text is too long whatever follows: "more than" is honest."""
    guard = LengthGuard(16, lending(tokenizer))
    text = "年假 " * 1_000_000

    with pytest.raises(TooLong, match=r"input 0 has more than \d+ tokens; the limit is 16\."):
        fit(guard, text)
    found = fit(guard, text, truncate=True)
    assert found.truncated
    assert text.startswith(found.text)
    assert 8 < count(tokenizer, found.text) <= 16


def test_a_cut_never_splits_a_character(tokenizer: Tokenizer) -> None:
    """An emoji that the vocabulary lacks is several tokens: it is kept whole or left out."""
    text = "🦩" * 40
    each = count(tokenizer, "🦩")
    assert each > 1, "the demo vocabulary has learnt this emoji: take another"

    heads = {limit: fit(LengthGuard(limit, lending(tokenizer)), text, truncate=True).text for limit in range(1, 20)}
    assert heads == {limit: "🦩" * (limit // each) for limit in range(1, 20)}


@given(text=TEXTS, head=st.sampled_from(["", "Instruct: Find it\nQuery:"]), limit=st.integers(1, 40))
def test_a_cut_at_the_start_keeps_the_prompt_and_the_end(
    tokenizer: Tokenizer, text: str, head: str, limit: int
) -> None:
    """The prompt and an end of the text in whole characters, within the limit when tokenized together; at most a few
    tokens more are given away than must be."""
    whole = head + text
    if count(tokenizer, whole) <= limit:
        return

    cut = cut_start_to(tokenizer, head, text, limit)

    assert cut.startswith(head)
    assert text.endswith(cut.removeprefix(head))
    assert cut == head or limit - 8 <= count(tokenizer, cut) <= limit
    assert (cut == head) <= (count(tokenizer, head) > limit - 8)


def test_a_huge_text_is_cut_at_its_start(tokenizer: Tokenizer) -> None:
    """Only the end that may be kept is looked at, and its last word is the text's last."""
    guard = LengthGuard(16, lending(tokenizer))
    text = "Query:" + "年假 " * 1_000_000 + "the end"

    found = asyncio.run(guard.fit(text, 0, "truncate_start", keep=len("Query:")))

    assert found.truncated
    assert found.text.startswith("Query:")
    assert found.text.endswith("年假 the end")
    assert 8 < count(tokenizer, found.text) <= 16


def test_the_tokenizer_is_loaded_once(tokenizer: Tokenizer) -> None:
    """A hundred long texts at once wait for one load."""
    loads = 0

    async def load() -> Tokenizer:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0)
        return tokenizer

    async def many() -> list[Fitted]:
        guard = LengthGuard(8, load)
        return await asyncio.gather(*(guard.fit("年" * 9, n, "truncate") for n in range(100)))

    assert len(asyncio.run(many())) == 100
    assert loads == 1


def test_a_failed_load_is_tried_again(tokenizer: Tokenizer) -> None:
    """An engine that was away for a moment does not leave the bridge unable to count for ever."""
    answers: list[Tokenizer | None] = [None, tokenizer]

    async def load() -> Tokenizer:
        if (answer := answers.pop(0)) is None:
            raise OSError("not there")
        return answer

    async def twice() -> Fitted:
        guard = LengthGuard(4, load)
        with pytest.raises(OSError, match="not there"):
            await guard.fit("hello", 0, "truncate")
        return await guard.fit("hello", 0, "truncate")

    assert Fitted("hello") == asyncio.run(twice())


def test_no_token_is_longer_than_the_longest(tokenizer: Tokenizer) -> None:
    """In bytes of text, special and added tokens included."""
    decoded = (tokenizer.decode([i], skip_special_tokens=False) for i in range(tokenizer.get_vocab_size()))

    assert longest_token(tokenizer) >= max(len(text.encode()) for text in decoded)
